"""This machine and the API as byok8s doctor looks at them: real requests, and servers that answer as told."""

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import yaml

from answering import REFUSED, Answer, answering
from byok8s.doctor import local_checks
from byok8s.doctor.check import CheckStatus
from byok8s.doctor.diagnosis import NAMES, diagnose
from byok8s.doctor.scope import of_settings
from byok8s.errors import InputError
from byok8s.kube.client import connect
from byok8s.settings import Settings

OK, WARNING, FAILED, SKIPPED = CheckStatus
Use = Callable[[str], None]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Have a kubeconfig of this server."""

    def to(server: str) -> None:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(local_checks, "PATIENCE_SECONDS", 0)
    connect.cache_clear()
    yield to
    connect.cache_clear()


def version(ahead: float = 0) -> Answer:
    """ahead: seconds by which the server's clock is."""
    return Answer(200, {"gitVersion": "v1.31.4"}, {"Date": formatdate(time.time() + ahead, usegmt=True)})


def looked() -> dict[str, tuple[CheckStatus, str, str]]:
    return {check.name: (check.status, check.seen, check.fix) for check in local_checks.look(None).checks}


def statuses() -> list[CheckStatus]:
    return [status for status, _, _ in looked().values()]


def test_an_api_that_is_well(use: Use) -> None:
    with answering(lambda _: version()) as server:
        use(server.url)
        found = looked()
    assert [*found] == list(local_checks.NAMES)
    assert {status for status, _, _ in found.values()} == {OK}
    assert found["context"][1] == f"x: {server.url}"
    assert found["Kubernetes"][1] == "v1.31.4"


@pytest.mark.parametrize(("ahead", "words"), [(600, "10 min behind"), (-3600, "60 min ahead of")])
def test_a_clock_that_differs_from_the_apis(ahead: float, words: str, use: Use) -> None:
    with answering(lambda _: version(ahead)) as server:
        use(server.url)
        found = looked()
    assert [name for name, (status, _, _) in found.items() if status is not OK] == ["clock"]
    status, seen, fix = found["clock"]
    assert status is WARNING
    assert f"this machine's clock is {words} the API server's" in seen
    assert fix == "Set this machine's clock, as by NTP."


def test_an_api_that_does_not_tell_its_time(use: Use) -> None:
    with answering(lambda _: Answer(200, {"gitVersion": "v1.31.4"}, {"Date": "soon"})) as server:
        use(server.url)
        assert statuses() == [OK, OK, WARNING, SKIPPED, OK]


def test_an_api_that_is_away_and_one_that_refuses_us(use: Use) -> None:
    use("http://127.0.0.2:9")
    assert statuses() == [OK, OK, FAILED, SKIPPED, SKIPPED]
    connect.cache_clear()
    with answering(lambda _: REFUSED) as server:
        use(server.url)
        status, seen, fix = looked()["API"]
    assert status is FAILED
    assert "Unauthorized" in seen
    assert "Log in to the cluster again" in fix


def test_without_a_kubeconfig_all_of_the_cluster_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    connect.cache_clear()
    shown: list[str] = []
    report = diagnose(of_settings(Settings()), lambda field: shown.append(field.key))
    assert shown == [*NAMES]
    assert [[check.name for check in field.checks] for field in report.fields] == [
        [*names] for names in NAMES.values()
    ]
    failed = [check.name for field in report.fields for check in field.checks if check.status is FAILED]
    assert failed == ["context"]
    assert not report.would_work


def test_a_context_that_is_not_there_is_wrong_input(use: Use) -> None:
    use("http://127.0.0.2:9")
    with pytest.raises(InputError, match="no context named 'other'"):
        diagnose(of_settings(Settings(context="other")), lambda _: None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(local=True), "uses no cluster"),
        (Settings(s3_bucket="B"), "cannot be used"),
        (Settings(s3_bucket="b-1", s3_endpoint_url="http://localhost:9000"), "that address is this machine"),
    ],
)
def test_settings_that_cannot_be_looked_at(settings: Settings, words: str) -> None:
    with pytest.raises(InputError, match=words):
        of_settings(settings)
