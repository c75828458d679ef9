"""The layout of published workflows as a package, on this machine."""

from pathlib import Path

from conformance.place import this_machine
from installed import Installed
from packaged_layout import made_and_right


def test_it_makes_what_plain_snakemake_makes_in_its_folder(bananas: Installed, tmp_path: Path) -> None:
    with this_machine() as place:
        made, right = made_and_right(bananas, place, tmp_path)
    assert made == right
