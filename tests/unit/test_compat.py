"""Another Snakemake is refused by name, before anything of it is changed."""

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import compat


def test_the_installed_snakemake_is_known() -> None:
    compat.check(compat._KNOWN)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("snakemake.io:_IOFile.prepare", "self path"),
        ("snakemake.io:_IOFile.gone", "self"),
        ("snakemake.gone:f", ""),
    ],
)
def test_another_is_refused(name: str, parameters: str) -> None:
    with pytest.raises(WorkflowError, match="is not one that byok8s can run a workflow with"):
        compat.check({name: parameters})
