"""What cannot be had on this machine is refused by name, or means the same as with plain Snakemake."""

from pathlib import Path

import pytest

from conformance.place import Place
from refusals import REFUSALS, is_refused_or_right, marked


@pytest.mark.parametrize("name", marked("local"))
def test_it_is_refused_by_name_or_right(name: str, place: Place, tmp_path: Path) -> None:
    workflow = REFUSALS[name].meaning.written(tmp_path / "workflow")
    assert is_refused_or_right(REFUSALS[name], workflow, place, name.replace(" ", "-"))
