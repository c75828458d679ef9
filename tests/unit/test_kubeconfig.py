"""A kubeconfig is read as kubectl reads it."""

import base64
import os
from pathlib import Path

import pytest
import yaml

from byok8s.errors import Byok8sError, ClusterError, InputError
from byok8s.kube import Context, context


def config(server: str = "https://one", **more: object) -> dict[str, object]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "lab"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "current-context": "x",
        **more,
    }


@pytest.fixture(autouse=True)
def no_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "SERVICE_ACCOUNT", tmp_path / "absent")


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, *files: object) -> None:
    for number, content in enumerate(files):
        path = folder / str(number) / "config"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", ":".join(str(folder / str(n) / "config") for n in range(len(files))))


def test_of_several_files_the_first_that_says_something_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {
        "clusters": [],
        "users": [],
        "contexts": [{"name": "y", "context": {"cluster": "c", "user": "u"}}],
    }
    use(
        tmp_path,
        monkeypatch,
        other,
        config("https://two"),
        config("https://three", **{"current-context": "y"}),
        "",
    )
    monkeypatch.setenv("KUBECONFIG", f"/absent:{os.environ['KUBECONFIG']}")
    chosen = Context()
    assert (chosen.name, chosen.server, chosen.namespace) == ("x", "https://two", "lab")
    assert (Context("y").server, Context("y").namespace) == ("https://two", None)


def test_relative_paths_begin_at_their_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(
        tmp_path,
        monkeypatch,
        config(users=[]),
        {"users": [{"name": "u", "user": {"tokenFile": "secret/token"}}]},
    )
    (tmp_path / "1" / "secret").mkdir()
    (tmp_path / "1" / "secret" / "token").write_text("from the file\n")
    assert Context().credentials().authorization == "Bearer from the file"


@pytest.mark.parametrize(
    ("user", "authorization", "certificate"),
    [
        pytest.param({"token": "abc"}, "Bearer abc", "", id="token"),
        pytest.param({"token": "abc\n"}, "Bearer abc", "", id="token with a line's end"),
        pytest.param({"username": "ada", "password": "p"}, "Basic YWRhOnA=", "", id="password"),
        pytest.param(
            {
                "client-certificate-data": base64.b64encode(b"CERT").decode(),
                "client-key-data": base64.b64encode(b"KEY").decode(),
            },
            "",
            "CERT",
            id="certificate",
        ),
        pytest.param(
            {"auth-provider": {"name": "oidc", "config": {"id-token": "jwt"}}}, "Bearer jwt", "", id="oidc"
        ),
        pytest.param({}, "", "", id="nothing"),
    ],
)
def test_what_a_user_shows(
    user: object, authorization: str, certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path, monkeypatch, config(users=[{"name": "u", "user": user}]))
    shown = Context().credentials()
    assert (shown.authorization, shown.certificate) == (authorization, certificate)
    assert "abc" not in repr(shown)


def test_a_login_that_writes_into_the_kubeconfig_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path, monkeypatch, config())
    chosen = Context()
    refused = chosen.credentials()
    use(tmp_path, monkeypatch, config(users=[{"name": "u", "user": {"token": "new"}}]))
    assert chosen.renew(refused).authorization == "Bearer new"
    assert chosen.credentials().authorization == "Bearer new"


def test_a_pods_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token changes every hour or so: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken"""
    for name, content in {"token": "first", "ca.crt": "", "namespace": "lab\n"}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(context, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBECONFIG", "/absent")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    chosen = Context()
    assert (chosen.name, chosen.server, chosen.namespace) == ("in-cluster", "https://[fd00::1]:443", "lab")
    refused = chosen.credentials()
    assert refused.authorization == "Bearer first"
    (tmp_path / "token").write_text("second")
    assert chosen.renew(refused).authorization == "Bearer second"


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        pytest.param([], ClusterError, "There is no kubeconfig at", id="none"),
        pytest.param(["{broken"], ClusterError, "cannot be read", id="no YAML"),
        pytest.param(["- a\n- b"], ClusterError, "holds no mapping", id="no mapping"),
        pytest.param([config(contexts=[])], InputError, "no context named 'x'", id="no such context"),
        pytest.param(
            [config(**{"current-context": ""})], InputError, "no current context", id="no current one"
        ),
        pytest.param([config(clusters=[])], InputError, "names no cluster with a server", id="no cluster"),
        pytest.param(
            [
                config(
                    clusters=[
                        {"name": "c", "cluster": {"server": "https://a", "proxy-url": "socks5://me:pw@p:1"}}
                    ]
                )
            ],
            InputError,
            "proxy to the cluster cannot be used: p:1",
            id="a proxy of another kind",
        ),
    ],
)
def test_what_cannot_be_used(
    files: list[object],
    error: type[Byok8sError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(tmp_path, monkeypatch, *(files or [""]))
    if not files:
        monkeypatch.setenv("KUBECONFIG", "/absent")
    with pytest.raises(error, match=words) as raised:
        Context()
    assert "pw" not in str(raised.value)
