"""An image's digest, from a registry that wants a token, and from one that cannot be asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from answering import Answer, Request, answering
from byok8s import registry as registry_module
from byok8s.access.preflight import Cluster
from byok8s.fleet import record
from byok8s.registry import pinned
from byok8s.run import plan
from byok8s.settings import default_image

IMAGE = "snakemake/snakemake:v9.27.1"
DIGEST = f"sha256:{'0f' * 32}"


def registry(request: Request, found: Answer) -> Answer:
    """As Docker Hub: a token for everybody, which has to be fetched."""
    host = request.headers["Host"]
    if request.path.startswith("/token?"):
        assert "scope=repository%3Asnakemake%2Fsnakemake%3Apull" in request.path
        return Answer(200, {"token": "t"})
    if request.token != "t":
        scope = 'service="registry",scope="repository:snakemake/snakemake:pull"'
        return Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="http://{host}/token",{scope}'})
    assert request.path == "/v2/snakemake/snakemake/manifests/v9.27.1"
    assert "oci.image.index" in request.headers["Accept"]
    return found


def test_a_tag_becomes_a_digest() -> None:
    found = Answer(200, b"", {"Docker-Content-Digest": DIGEST})
    with answering(lambda request: registry(request, found)) as server:
        assert pinned(IMAGE, server.url) == f"snakemake/snakemake@{DIGEST}"
    assert [request.method for request in server.requests] == ["HEAD", "GET", "HEAD"]


@pytest.mark.parametrize(
    "found",
    [
        Answer(404, b""),
        Answer(429, b"", {"Retry-After": "60"}),
        Answer(200, b""),
        Answer(200, b"", {"Docker-Content-Digest": "sha256:short"}),
        Answer(cut=True),
    ],
    ids=["not there", "throttled", "no digest", "a strange digest", "cut"],
)
def test_a_registry_that_does_not_say(found: Answer) -> None:
    with answering(lambda request: registry(request, found)) as server:
        assert pinned(IMAGE, server.url) == IMAGE


@pytest.mark.parametrize("challenge", ["", "Bearer", 'Bearer realm="file:///etc/passwd"', "Basic"])
def test_a_registry_that_leads_astray(challenge: str) -> None:
    with answering(lambda _: Answer(401, b"", {"WWW-Authenticate": challenge})) as server:
        assert pinned(IMAGE, server.url) == IMAGE


def test_a_registry_that_cannot_be_reached() -> None:
    assert pinned(IMAGE, "http://127.0.0.1:9") == IMAGE


def test_a_run_that_goes_on_has_the_image_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry_module, "pinned", lambda image: f"{image}@now")
    request: Any = SimpleNamespace(image=None)
    own: Any = SimpleNamespace(image="mine:1")
    cluster = Cluster("x", "n", "v1.30.0")
    assert plan.image(request, cluster, "1") == f"{default_image()}@now"
    record.folder("1").mkdir(parents=True)
    (record.folder("1") / "image").write_text("snakemake/snakemake@then\n")
    assert plan.image(request, cluster, "1") == "snakemake/snakemake@then"
    assert plan.image(own, cluster, "1") == "mine:1"
    assert plan.image(request, None, "1") == default_image()
