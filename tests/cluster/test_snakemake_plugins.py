"""Snakemake's own tests for executor plugins, on a real cluster, with the storage plugin."""

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import snakemake.common.tests
from snakemake.settings.types import RemoteExecutionSettings
from snakemake_interface_common.plugin_registry.plugin import TaggedSettings
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from sandbox import Sandbox
from snakemake_executor_plugin_byok8s import ExecutorSettings
from snakemake_storage_plugin_byok8s import StorageProviderSettings


class TestWorkflows(snakemake.common.tests.TestWorkflowsBase):  # type: ignore[misc]
    __test__ = True

    @pytest.fixture(autouse=True)
    def _on(self, cluster: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.chdir(tmp_path)
        self.cluster = cluster
        self.run = uuid.uuid4().hex
        yield
        assert cluster.names() == []

    def get_executor(self) -> str:
        return "byok8s"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings(namespace=self.cluster.namespace, run=self.run[:8])

    def get_assume_shared_fs(self) -> bool:
        return False

    def get_remote_execution_settings(self) -> RemoteExecutionSettings:
        return RemoteExecutionSettings(container_image=os.environ["BYOK8S_IMAGE"])

    def get_default_storage_provider(self) -> str:
        return "byok8s"

    def get_default_storage_prefix(self) -> str:
        return str(self.cluster.bucket.url)

    def get_default_storage_provider_settings(self) -> Mapping[str, TaggedSettings]:
        """Credentials by settings, as users of plain Snakemake give them."""
        settings = TaggedSettings()
        settings.register_settings(
            StorageProviderSettings(
                endpoint_url=self.cluster.bucket.endpoint_url,
                access_key=os.environ["AWS_ACCESS_KEY_ID"],
                secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            )
        )
        return {"byok8s": settings}
