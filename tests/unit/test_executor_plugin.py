"""What every Snakemake start pays for byok8s being installed."""

import subprocess
import sys

SCRIPT = """
import sys
import snakemake_executor_plugin_byok8s as plugin
from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
assert issubclass(plugin.Executor, AbstractExecutor)
print(*(name for name in ("byok8s.executor", "byok8s.kube", "boto3", "yaml") if name in sys.modules))
"""


def test_the_executor_plugin_loads_nothing_heavy() -> None:
    loaded = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
