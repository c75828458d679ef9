"""A registry of container images that wants credentials: Debian's docker-registry, for as long as a test takes.

It is on this machine's loopback, where a container runtime asks for no certificate.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Final
from urllib.error import URLError

from byok8s.kube import KubeClient
from byok8s.kube.objects import Json, Object

PROGRAM: Final = "docker-registry"
USER: Final = "ada"
PASSWORD: Final = "registry-4b1f"
_HASH: Final = "$2b$05$NVBLhlNuhA3/ybFHvG6JIuJjPTANARZuuenJXRjq06rHK9E5iWuxm"
_CONFIG: Final = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: '{host}'}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
_TYPES: Final = "application/vnd.docker."
_LAYER: Final = "image.rootfs.diff.tar"
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True)
class Registry:
    """A registry that runs. host: with its port, as it is named in images."""

    host: str

    def push(self, archive: Path, name: str, to: str, more: Path | None = None) -> str:
        """Put an image of an archive, as `docker save` makes them, into the registry; return its name there.

        more: a layer upon it.
        """
        with tarfile.open(archive) as images:
            listed = json.loads(_file(images, "manifest.json"))
            image = next(each for each in listed if each["RepoTags"] == [name])
            repository, _, tag = to.partition(":")
            config = json.loads(_file(images, image["Config"]))
            layers = [self._blob(repository, _LAYER, _file(images, layer)) for layer in image["Layers"]]
        if more:
            layers.append(self._blob(repository, _LAYER, more.read_bytes()))
            config["rootfs"]["diff_ids"].append(layers[-1]["digest"])
        of_config = self._blob(repository, "container.image.v1+json", json.dumps(config).encode())
        kind = f"{_TYPES}distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": of_config, "layers": layers}
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), kind)
        return f"{self.host}/{to}"

    def make_secret(self, client: KubeClient, namespace: str, name: str, password: str = PASSWORD) -> None:
        """Make what `kubectl create secret docker-registry` makes."""
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        content = {"auths": {self.host: {"username": USER, "password": password, "auth": auth}}}
        data: Json = {".dockerconfigjson": base64.b64encode(json.dumps(content).encode()).decode()}
        secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name},
            "data": data,
        }
        client.post(f"/api/v1/namespaces/{namespace}/secrets", secret)

    def _blob(self, repository: str, kind: str, content: bytes) -> Mapping[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        self._ask("PUT", f"{place}&digest={digest}", content)
        return {"mediaType": f"{_TYPES}{kind}", "size": len(content), "digest": digest}

    def _ask(self, method: str, path: str, content: bytes = b"", kind: str = _BYTES) -> HTTPResponse:
        address = path if "://" in path else f"http://{self.host}{path}"
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": kind}
        request = urllib.request.Request(address, content, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            answer.read()
            assert isinstance(answer, HTTPResponse)
            return answer


def _file(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    assert content is not None
    return content.read()


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Have a registry, whose files are in a folder that is not there yet."""
    program = shutil.which(PROGRAM)
    assert program
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    folder.mkdir()
    (folder / "htpasswd").write_text(f"{USER}:{_HASH}\n")
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder, host=host))
    with subprocess.Popen([program, "serve", str(config)]) as process:
        try:
            _await(host)
            yield Registry(host)
        finally:
            process.kill()
            shutil.rmtree(folder / "images", ignore_errors=True)


def _await(host: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(f"http://{host}/v2/")
        except URLError as error:
            if getattr(error, "code", None) == 401:
                return
            assert time.monotonic() < until, "the registry does not answer"
            time.sleep(0.05)
