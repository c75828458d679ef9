"""Each field of a kubeconfig, as docs/kubeconfig.md has it: what a server sees of it, by byok8s and by kubectl."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from answering import Answer, Keys, Request, answering, keys, proxy, server_side, websocket
from byok8s.errors import Byok8sError
from byok8s.kube import Context, ExecStream, KubeClient

DOCUMENT = Path(__file__).parents[2] / "docs" / "kubeconfig.md"
KUBECTL = shutil.which("kubectl")
BASIC = "Basic " + base64.b64encode(b"ada:word").decode()


TOKEN = {"token": "t"}  # for without anything to show kubectl asks for a name


@dataclass(frozen=True)
class Case:
    """shows: headers by name, None for absent. refused: by the program, in these words of byok8s.

    plain: over http. trusts: whether the cluster names its authority. client: what the server sees in the client's
    certificate.
    """

    user: Mapping[str, object] = field(default_factory=lambda: TOKEN)
    cluster: Mapping[str, object] = field(default_factory=dict)
    shows: Mapping[str, object] = field(default_factory=dict)
    refused: str = ""
    plain: bool = False
    trusts: bool = True
    client: str = ""
    by_kubectl: bool = True


FORGOTTEN = "nobody to act as"
EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "interactiveMode": "Never",
    "command": "./login",
    "provideClusterInfo": True,
}
CASES = {
    "server": [
        Case(TOKEN, shows={"Authorization": "Bearer t"}),
        Case({**TOKEN, "as": "eva"}, plain=True, shows={"Authorization": None, "Impersonate-User": "eva"}),
        Case({"username": "ada", "password": "word"}, plain=True, shows={"Authorization": None}),
        Case(cluster={"server": "k8s.example"}, refused="names no cluster with a server", by_kubectl=False),
    ],
    "certificate-authority": [
        Case(trusts=False, refused="not trusted"),
        Case(trusts=False, cluster={"certificate-authority": "ca.crt"}),
    ],
    "certificate-authority-data": [Case()],
    "insecure-skip-tls-verify": [
        Case(trusts=False, cluster={"insecure-skip-tls-verify": True}),
        Case(cluster={"insecure-skip-tls-verify": True}, refused="says not to verify by it"),
        Case(
            trusts=False,
            cluster={"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"},
            refused="says not to verify by it",
        ),
    ],
    "tls-server-name": [Case(cluster={"tls-server-name": "k8s.example"}, refused="doesn't match")],
    "proxy-url": [
        Case(cluster={"proxy-url": "http://127.0.0.1:9"}, refused="cannot be reached"),
        Case(cluster={"proxy-url": "socks5://127.0.0.1:9"}, refused="begins with http://", by_kubectl=False),
    ],
    "disable-compression": [Case(cluster={"disable-compression": False})],
    "extensions": [
        Case(
            {"exec": EXEC},
            {"extensions": [{"name": "client.authentication.k8s.io/exec", "extension": "mine"}]},
            {"Authorization": "Bearer mine"},
        )
    ],
    "token": [Case(TOKEN, shows={"Authorization": "Bearer t"})],
    "tokenFile": [Case({**TOKEN, "tokenFile": "token"}, shows={"Authorization": "Bearer of-the-file"})],
    "username and password": [
        Case({"username": "ada", "password": "word"}, shows={"Authorization": BASIC}),
        Case({**TOKEN, "username": "ada", "password": "word"}, refused="only one of them can be meant"),
    ],
    "client-certificate and client-key": [
        Case({"client-certificate": "ada.crt", "client-key": "ada.key"}, client="ada"),
        Case({"client-certificate": "ada.crt"}, refused="no client-key"),
    ],
    "client-certificate-data and client-key-data": [
        Case({"client-certificate-data": "ada.crt", "client-key-data": "ada.key"}, client="ada")
    ],
    "exec": [Case({"exec": EXEC}, shows={"Authorization": "Bearer none"})],
    "auth-provider": [
        Case(
            {"auth-provider": {"name": "oidc", "config": {"id-token": "left"}}},
            shows={"Authorization": "Bearer left"},
            by_kubectl=False,  # it would look whether this token has expired, and it is none
        )
    ],
    "as": [
        Case({**TOKEN, "as": "eva"}, shows={"Authorization": "Bearer t", "Impersonate-User": "eva"}),
        Case({**TOKEN, "as": "eva\r\nX: y"}, refused="no header can hold"),
    ],
    "as-groups": [
        Case(
            {**TOKEN, "as": "eva", "as-groups": ["lab", "all"]}, shows={"Impersonate-Group": ["lab", "all"]}
        ),
        Case({**TOKEN, "as-groups": ["lab"]}, refused=FORGOTTEN),
    ],
    "as-uid": [
        Case({**TOKEN, "as": "eva", "as-uid": "7"}, shows={"Impersonate-Uid": "7"}),
        Case({**TOKEN, "as-uid": "7"}, refused=FORGOTTEN),
    ],
    "as-user-extra": [
        Case(
            {**TOKEN, "as": "eva", "as-user-extra": {"lab.example/scopes": ["a", "b"]}},
            shows={"Impersonate-Extra-Lab.example%2fscopes": ["a", "b"]},
        ),
        Case({**TOKEN, "as-user-extra": {"scopes": ["a"]}}, refused=FORGOTTEN),
    ],
}
EACH = [pytest.param(case, id=f"{name}-{n}") for name, found in CASES.items() for n, case in enumerate(found)]


def test_every_field_of_the_document_has_its_case() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [row.replace("`", "") for row in rows if row != "`namespace`"] == [*CASES]


@pytest.fixture
def folder(ca: Keys, tmp_path: Path) -> Path:
    """What a kubeconfig may name."""
    shutil.copy(ca.certificate, tmp_path / "ca.crt")
    made = keys(ca, tmp_path, "ada")
    assert made.certificate == tmp_path / "ada.crt"
    (tmp_path / "token").write_text("of-the-file\n")
    status = '{"token": "%s"}'
    login = (
        "#!/bin/sh\ncase $KUBERNETES_EXEC_INFO in *mine*) token=mine;; *) token=none;; esac\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": '
        f"{status % (chr(39) + '$token' + chr(39))}}}'\n"
    )
    (tmp_path / "login").write_text(login)
    (tmp_path / "login").chmod(0o755)
    return tmp_path


def config(case: Case, server: str, folder: Path) -> Path:
    def data(path: str) -> str:
        return base64.b64encode((folder / path).read_bytes()).decode()

    trusted = {"certificate-authority-data": data("ca.crt")} if case.trusts and not case.plain else {}
    user = {name: data(str(value)) if name.endswith("-data") else value for name, value in case.user.items()}
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server, **trusted, **case.cluster}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
        "current-context": "x",
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    return folder / "config"


def answer(request: Request) -> Answer:
    if "Upgrade" in request.headers:
        return websocket(request)
    return Answer(200, {"kind": "Status", "apiVersion": "v1"}, {"Content-Type": "application/json"})


def check(case: Case, requests: list[Request]) -> None:
    assert requests
    for request in requests:
        assert request.peer == case.client
        for name, value in case.shows.items():
            found = [shown for key, shown in request.all_headers if key.lower() == name.lower()]
            assert found == ([] if value is None else value if isinstance(value, list) else [value])


@pytest.mark.parametrize("case", EACH)
def test_what_byok8s_shows(case: Case, ca: Keys, by_address: Keys, folder: Path) -> None:
    with answering(answer, None if case.plain else server_side(by_address, ca)) as server:
        path = config(case, server.url, folder)
        if case.refused:
            with pytest.raises(Byok8sError, match=case.refused):
                KubeClient(Context(files=[path])).get("/version", patience=0)
            assert server.requests == []
            return
        client = KubeClient(Context(files=[path]))
        client.get("/version", patience=0)
        ExecStream(client, "/api/v1/namespaces/n/pods/p", "c", ["true"]).close()
    assert len(server.requests) == 2
    check(case, server.requests)


@pytest.mark.skipif(not KUBECTL, reason="there is no kubectl here")
@pytest.mark.parametrize("case", [each for each in EACH if each.values[0].by_kubectl])  # type: ignore[union-attr]
def test_what_kubectl_shows(case: Case, ca: Keys, by_address: Keys, folder: Path) -> None:
    with answering(answer, None if case.plain else server_side(by_address, ca)) as server:
        path = config(case, server.url, folder)
        done = subprocess.run(
            [str(KUBECTL), "--kubeconfig", path, "get", "--raw", "/version"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode != 0) == bool(case.refused), done.stderr
    if case.refused:
        assert server.requests == []
    else:
        check(case, server.requests)


def test_as_whom_it_acts_is_said(folder: Path) -> None:
    acting = Case({**TOKEN, "as": "eva", "as-groups": ["lab"]})
    assert Context(files=[config(acting, "https://k8s.example", folder)]).acts_as == "eva in lab"


def test_through_a_proxy(ca: Keys, by_address: Keys, folder: Path) -> None:
    with answering(answer, server_side(by_address)) as server, proxy() as way:
        path = config(Case(TOKEN, {"proxy-url": way.url}), server.url, folder)
        KubeClient(Context(files=[path])).get("/version", patience=0)
    assert [request.method for request in way.requests] == ["CONNECT"]
