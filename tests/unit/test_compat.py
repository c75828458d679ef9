"""Another Snakemake is refused by name, before anything of it is changed."""

from typing import Any

import pytest
import snakemake.cli
import snakemake.dag
from snakemake_interface_common.exceptions import WorkflowError

from byok8s import compat as of_controller
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


def test_one_whose_dags_do_not_know_what_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of_controller.check()

    def __init__(self: Any) -> None: ...  # noqa: N807

    monkeypatch.setattr(snakemake.dag.DAG, "__init__", __init__)
    with pytest.raises(WorkflowError, match=r"has no snakemake\.dag\.DAG\._running, which byok8s needs"):
        of_controller.check()
