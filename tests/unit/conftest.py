"""What unit tests share: certificates, which take a moment to make."""

import pytest

from answering import Keys, authority, keys


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def by_address(ca: Keys, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(ca, tmp_path_factory.mktemp("by-address"), "127.0.0.1")
