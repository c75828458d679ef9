"""A storage plugin that is installed here and in no image: pods are told nothing of it unless the workflow uses it."""

from pathlib import Path

from folders import write_files
from sandbox import Sandbox

PLUGIN = """
from dataclasses import dataclass, field

from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase
from snakemake_interface_storage_plugins.storage_object import StorageObjectRead
from snakemake_interface_storage_plugins.storage_provider import StorageProviderBase


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    depth: int = field(default=3, metadata={"help": "how deep", "env_var": False})


class StorageProvider(StorageProviderBase):
    pass


class StorageObject(StorageObjectRead):
    pass
"""


def test_jobs_run_beside_a_plugin_that_they_do_not_use(cluster: Sandbox, tmp_path: Path) -> None:
    write_files(tmp_path / "installed", {"snakemake_storage_plugin_elsewhere/__init__.py": PLUGIN})
    cluster.write(
        {
            "Snakefile": 'rule a:\n    output: "a.txt"\n    run:\n        open(output[0], "w").write("right")\n',
            "wf.json": '{"workflow_target": "a"}',
            "params.json": "{}",
        }
    )
    cluster.run("wf", "params", PYTHONPATH=str(tmp_path / "installed"))
    assert cluster.read("a.txt") == "right"
