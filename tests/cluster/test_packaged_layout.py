"""The layout of published workflows as a package, on a real cluster."""

from pathlib import Path

import pytest

from conformance.place import the_cluster
from installed import Installed
from packaged_layout import made_and_right


@pytest.mark.alone  # a rule of it needs all of the node
def test_it_makes_what_plain_snakemake_makes_in_its_folder(bananas: Installed, tmp_path: Path) -> None:
    with the_cluster() as place:
        made, right = made_and_right(bananas, place, tmp_path)
    assert made == right
