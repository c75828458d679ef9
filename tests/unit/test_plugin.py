"""Exec plugins, by stand-ins that print what the real ones document, and that fail as those do."""

import base64
import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from answering import OK, REFUSED, Answer, Keys, Request, answering, server_side
from byok8s.kube import ApiError, Context, KubeClient, NoCredentials, plugin

# https://docs.aws.amazon.com/cli/latest/reference/eks/get-token.html
EKS = """{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {},
 "status": {"expirationTimestamp": "%(expire)s", "token": "k8s-aws-v1.%(run)s"}}"""
# https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl, gke-gcloud-auth-plugin
GKE = """{
    "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1",
    "spec": {"interactive": false},
    "status": {"expirationTimestamp": "%(expire)s", "token": "ya29.%(run)s"}
}"""
# https://azure.github.io/kubelogin/
AKS = """{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false},
"status":{"expirationTimestamp":"%(expire)s","token":"eyJ0.%(run)s"}}"""


def command(folder: Path, name: str, script: str) -> Path:
    """Each run adds a line to the file `runs`; %(run)s in what it prints is the number of that line."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho run >>{folder}/runs\nrun=$(wc -l <{folder}/runs)\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def prints(text: str) -> str:
    filled = text % {"expire": "2099-01-01T00:00:00Z", "run": "$run"}
    return f"cat <<END\n{filled}\nEND"


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines()) if (folder / "runs").exists() else 0


def client(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    execute: dict[str, object],
    server: str = "https://127.0.0.1:9",
    ca: Keys | None = None,
) -> KubeClient:
    config = {
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": server,
                    "certificate-authority": "ca.crt",
                    "extensions": [{"name": plugin.EXTENSION, "extension": {"audience": "lab"}}],
                },
            }
        ],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [
            {"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", **execute}}}
        ],
        "current-context": "x",
    }
    (folder / "ca.crt").write_text(ca.certificate.read_text() if ca else "")
    (folder / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(folder / "config"))
    return KubeClient(Context())


@pytest.mark.parametrize(("printed", "token"), [(EKS, "k8s-aws-v1.1"), (GKE, "ya29.1"), (AKS, "eyJ0.1")])
def test_what_the_clouds_print(
    printed: str, token: str, ca: Keys, by_address: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path, "get-token", prints(printed))
    with answering(lambda _: OK, server_side(by_address)) as server:
        ours = client(tmp_path, monkeypatch, {"command": "./get-token"}, server.url, ca)
        for _ in range(3):
            ours.get("/version")
    assert [request.token for request in server.requests] == [token] * 3
    assert runs(tmp_path) == 1


def test_a_token_that_is_refused_is_renewed_once_for_all_requests(
    ca: Keys, by_address: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(8)

    def answer(request: Request) -> Answer:
        if request.token == "ya29.1":
            together.wait(timeout=20)  # all are under way with the old one
            return REFUSED
        return OK

    command(tmp_path, "get-token", prints(GKE))
    with answering(answer, server_side(by_address)) as server, ThreadPoolExecutor(8) as threads:
        ours = client(tmp_path, monkeypatch, {"command": "./get-token"}, server.url, ca)
        for answered in [threads.submit(ours.get, "/version") for _ in range(8)]:
            assert answered.result() == {}
    assert runs(tmp_path) == 2
    assert [request.token for request in server.requests].count("ya29.2") == 8


def test_a_token_that_is_refused_for_good_is_said_in_one_paragraph(
    ca: Keys, by_address: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path, "get-token", prints(GKE))
    with answering(lambda _: REFUSED, server_side(by_address)) as server:
        ours = client(tmp_path, monkeypatch, {"command": "./get-token"}, server.url, ca)
        with pytest.raises(ApiError, match="Log in to the cluster again") as raised:
            ours.get("/version")
    assert raised.value.code == 401
    assert len(server.requests) == 2
    assert "ya29" not in str(raised.value)


def test_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats"""
    script = f'echo "$1 $MINE $KUBERNETES_EXEC_INFO" >{tmp_path}/told\n{prints(GKE)}'
    command(tmp_path, "get-token", script)
    execute: dict[str, object] = {
        "command": "./get-token",
        "args": ["--cluster"],
        "env": [{"name": "MINE", "value": "word"}],
        "provideClusterInfo": True,
    }
    ours = client(tmp_path, monkeypatch, execute)
    (tmp_path / "ca.crt").write_text("CA")
    ours.context.credentials()
    argument, mine, info = (tmp_path / "told").read_text().split(" ", 2)
    assert (argument, mine) == ("--cluster", "word")
    assert json.loads(info) == {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://127.0.0.1:9",
                "certificate-authority-data": base64.b64encode(b"CA").decode(),
                "config": {"audience": "lab"},
            },
        },
    }


def test_a_command_without_a_folder_is_found_along_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path, "gke-gcloud-auth-plugin", prints(GKE))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    ours = client(tmp_path, monkeypatch, {"command": "gke-gcloud-auth-plugin"})
    assert ours.context.credentials().authorization == "Bearer ya29.1"


@pytest.mark.parametrize(
    ("script", "more", "words"),
    [
        pytest.param(
            "echo 'a long story' >&2; echo 'Error loading SSO Token: Token for my-sso does not exist' >&2; exit 255",
            {},
            "exit code 255: a long story Error loading SSO Token: Token for my-sso does not exist",
            id="fails",
        ),
        pytest.param("echo hello secret", {}, "printed no ExecCredential", id="prints something else"),
        pytest.param("", {}, "printed no ExecCredential", id="prints nothing"),
        pytest.param(
            """echo '{"status": {"token": ""}, "secret": 1}'""", {}, "printed no ExecCred", id="no token"
        ),
        pytest.param(
            """echo '{"status": {"clientCertificateData": "c"}, "secret": 1}'""",
            {},
            "printed no ExecCred",
            id="no key",
        ),
        pytest.param(
            """echo '{"status": {"token": "secret", "expirationTimestamp": "soon"}}'""",
            {},
            "printed no ExecCred",
            id="no time",
        ),
        pytest.param("sleep 60", {}, "gave nothing within 1 s", id="hangs"),
        pytest.param("cat >/dev/null; read name </dev/tty; exit 3", {}, "exit code", id="asks all the same"),
        pytest.param("", {"interactiveMode": "Always"}, "no terminal to ask at", id="wants to ask"),
        pytest.param(
            None,
            {"installHint": "Install gke-gcloud-auth-plugin\n  by following"},
            "is not installed. Install gke-gcloud-auth-plugin by following",
            id="not there",
        ),
    ],
)
def test_one_that_gives_nothing_is_told_in_one_paragraph(
    script: str | None,
    more: dict[str, object],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin, "SECONDS", 1.0)
    if script is not None:
        command(tmp_path, "get-token", script)
    ours = client(tmp_path, monkeypatch, {"command": "./get-token", **more})
    with pytest.raises(NoCredentials) as raised:
        ours.get("/version")
    said = str(raised.value)
    assert words in said
    assert "get-token" in said
    assert "\n" not in said
    assert "secret" not in said
    assert runs(tmp_path) <= 1  # the first time there is nothing to wait for


def test_one_that_fails_for_a_while_is_waited_for_once_it_has_worked(
    ca: Keys, by_address: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login has run out, and somebody logs in again elsewhere."""
    monkeypatch.setattr("byok8s.kube.credentials.AGAIN_SECONDS", 0.0)
    script = f"[ $run = 2 ] && exit 1\n{prints(GKE)}"
    command(tmp_path, "get-token", script)
    with answering(
        lambda request: REFUSED if server.requests[1:] and request.token == "ya29.1" else OK,
        server_side(by_address),
    ) as server:
        ours = client(tmp_path, monkeypatch, {"command": "./get-token"}, server.url, ca)
        ours.get("/version")
        assert ours.get("/version") == {}
    assert [request.token for request in server.requests] == ["ya29.1", "ya29.1", "ya29.3"]
