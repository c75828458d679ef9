"""A workflow run by Snakemake alone: in one pod of an image, on its disk; no byok8s, no bucket."""

from __future__ import annotations

import base64
import io
import tarfile
import time
from pathlib import Path

from byok8s.kube import Object
from byok8s.kube.objects import text
from sandbox import Sandbox

PATIENCE_SECONDS = 240.0
SCRIPT = """
mkdir /tmp/sources /tmp/run && tar -C /tmp/sources -xf /given/sources.tar && cd /tmp/run
snakemake --snakefile /tmp/sources/Snakefile --configfile "/tmp/sources/$2" --cores 2 "$1" >/tmp/words 2>&1 ||
  { cat /tmp/words; exit 1; }
find . -type f -not -path './.*' -printf '%P\\0' | xargs -0 sha256sum
"""


def digests(cluster: Sandbox, image: str, sources: Path, target: str, params: str) -> dict[str, str]:
    """The SHA-256 of each file that the target leaves. sources: the folder of the workflow; params: a file in it."""
    client, name = cluster.client, "plain"
    maps, pods = (f"/api/v1/namespaces/{cluster.namespace}/{kind}" for kind in ("configmaps", "pods"))
    archive = base64.b64encode(_archive(sources)).decode()
    client.post(maps, {"metadata": {"name": name}, "binaryData": {"sources.tar": archive}})
    client.post(pods, _pod(name, image, ["/bin/bash", "-ec", SCRIPT, "plain", target, params]))
    until, phase = time.monotonic() + PATIENCE_SECONDS, ""
    while phase not in ("Succeeded", "Failed") and time.monotonic() < until:
        time.sleep(0.5)
        phase = text(client.get(f"{pods}/{name}"), "status", "phase")
    words = client.get_text(f"{pods}/{name}/log") if phase != "Pending" else ""
    client.delete(f"{pods}/{name}")
    assert phase == "Succeeded", (
        f"plain Snakemake is {phase or 'nowhere'} after {PATIENCE_SECONDS:.0f} s: {words}"
    )
    return {key: digest for digest, key in (line.split(maxsplit=1) for line in words.splitlines())}


def _pod(name: str, image: str, command: list[str]) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": 1000, "runAsNonRoot": True},
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": [*command],
                    "env": [{"name": "HOME", "value": "/tmp"}, {"name": "LOGNAME", "value": "plain"}],
                    "volumeMounts": [{"name": "given", "mountPath": "/given"}],
                }
            ],
            "volumes": [{"name": "given", "configMap": {"name": name}}],
        },
    }


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder))
    return buffer.getvalue()
