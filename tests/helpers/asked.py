"""A connection to an S3 server, and what it has had boto do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from snakemake_storage_plugin_byok8s import StorageProviderSettings
from snakemake_storage_plugin_byok8s.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byok8s import s3


class Asked:
    """What a connection has had boto do."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.by_boto = connection, list[str]()
        connection.client.meta.events.register_first("before-call.s3", self._note)

    def _note(self, model: Any, **_: object) -> None:
        self.by_boto.append(model.name)

    def put(self, key: str, body: bytes, **more: Any) -> Mapping[str, Any]:
        return self.connection.shortcut.put_object(Bucket="local", Key=key, Body=body, **more)

    def get(self, key: str, **more: str) -> tuple[bytes, Mapping[str, Any]]:
        answer = self.connection.shortcut.get_object(Bucket="local", Key=key, **more)
        return answer["Body"].read(), answer

    def begin(self) -> None:
        """Have the first of each kind made, which are boto's."""
        self.put("shortcut/first", b"first")
        assert self.get("shortcut/first")[0] == b"first"
        assert self.by_boto == ["PutObject", "GetObject"]
        self.by_boto.clear()


def asked(url: str, credentials: s3.Credentials | None, **settings: Any) -> Asked:
    own = {"access_key": credentials.access_key, "secret_key": credentials.secret_key} if credentials else {}
    told = StorageProviderSettings(endpoint_url=url, **{"retries": 1, **own, **settings})
    return Asked(Connection(told, logging.getLogger("test")))
