"""What tests of several folders share."""

from pathlib import Path

import pytest

from installed import Installed, install

# What takes long to make: the tests that use one are run by the same worker of pytest-xdist, one after another. A test
# that uses several belongs to the first.
SHARED = ["bananas", "site"]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests that share something, and begin with the groups, as each takes long."""
    for item in items:
        used = getattr(item, "fixturenames", ())
        if shared := next((name for name in SHARED if name in used), None):
            item.add_marker(pytest.mark.xdist_group(shared))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture(scope="session")
def bananas(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The seed example as a package, built and installed into a clean environment outside the tree."""
    seed = Path(__file__).parents[1] / "examples" / "seed"
    return install(seed, "bananas", "1.0", tmp_path_factory.mktemp("bananas"))
