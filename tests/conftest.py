"""What tests of several folders share."""

from pathlib import Path

import pytest

from installed import Installed, install


@pytest.fixture(scope="session")
def bananas(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The seed example as a package, built and installed into a clean environment outside the tree."""
    seed = Path(__file__).parents[1] / "examples" / "seed"
    return install(seed, "bananas", "1.0", tmp_path_factory.mktemp("bananas"))
