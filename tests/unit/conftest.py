"""What unit tests share: certificates, which take a moment to make, and that no example of Hypothesis is timed."""

import pytest
from hypothesis import HealthCheck, settings

from answering import Keys, authority, keys

# the machine may be busy; all else stays as Hypothesis has it, which chooses other settings under CI
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def by_address(ca: Keys, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(ca, tmp_path_factory.mktemp("by-address"), "127.0.0.1")
