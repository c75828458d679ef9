"""A change of the DNS' ConfigMap, and its undoing: nothing of anybody else's is lost."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from byok8s.dns.answer import SCRIPT, outside, pod_made
from byok8s.dns.change import ANNOTATION, Change, forwarding, undoing
from byok8s.dns.state import DnsKind
from byok8s.errors import ClusterError, InputError
from byok8s.kube.objects import Json, mapping, text
from byok8s.settings import Settings

COREFILE = (
    ".:53 {\n    errors\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n    loop\n}\n"
)
FIXED = COREFILE.replace("/etc/resolv.conf", "8.8.8.8 8.8.4.4")
SERVERS = ("8.8.8.8", "8.8.4.4")
NAMESERVERS = '["8.8.8.8", "8.8.4.4"]'


def config_map(name: str = "coredns", **data: str) -> dict[str, Json]:
    return {"metadata": {"name": name, "resourceVersion": "7"}, "data": {**data}}


def changed(obj: Mapping[str, Json] | None, change: Change) -> dict[str, Json]:
    """As the API server does it (RFC 7386)."""
    body, obj = change.body(), obj or {"metadata": {}, "data": {}}
    data = mapping(obj, "data") | mapping(body, "data")
    notes = mapping(obj, "metadata", "annotations") | mapping(body, "metadata", "annotations")
    metadata = {**mapping(obj, "metadata"), **mapping(body, "metadata"), "resourceVersion": "8"}
    metadata["annotations"] = {name: said for name, said in notes.items() if said is not None}
    return {"metadata": metadata, "data": {key: value for key, value in data.items() if value is not None}}


def test_the_change_is_the_line_that_forwards() -> None:
    change = forwarding(DnsKind.COREDNS, "coredns", config_map(Corefile=COREFILE, NodeHosts="x"), SERVERS)
    assert (change.before, change.after) == ({"Corefile": COREFILE}, {"Corefile": FIXED})
    assert change.body()["data"] == {"Corefile": FIXED}
    assert mapping(change.body(), "metadata")["resourceVersion"] == "7"
    assert change.diff().splitlines() == [
        "ConfigMap coredns, Corefile:",
        "   .:53 {",
        "       errors",
        "  -    forward . /etc/resolv.conf {",
        "  +    forward . 8.8.8.8 8.8.4.4 {",
        "          max_concurrent 1000",
        "       }",
        "       loop",
    ]


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        (DnsKind.COREDNS, config_map(Corefile=COREFILE)),
        (DnsKind.COREDNS, config_map(Corefile=COREFILE, NodeHosts="10.0.0.1 a\r\n")),
        (DnsKind.COREDNS, config_map(Corefile=COREFILE.replace("\n", "\r\n") + "\ufeff# ä")),
        (DnsKind.KUBE_DNS, config_map("kube-dns")),
        (DnsKind.KUBE_DNS, config_map("kube-dns", stubDomains='{"a": ["10.0.0.2"]}')),
        (DnsKind.KUBE_DNS, config_map("kube-dns", upstreamNameservers='[ "10.0.0.2" ]\n')),
    ],
)
def test_undo_gives_back_what_was_there(kind: DnsKind, before: dict[str, Json]) -> None:
    name = text(before, "metadata", "name")
    once = changed(before, forwarding(kind, name, before, SERVERS))
    assert once["data"] != before["data"]
    twice = changed(once, forwarding(kind, name, once, ["1.1.1.1"]))
    for fixed in (once, twice):
        change = undoing(fixed)
        assert not change.whole
        undone = changed(fixed, change)
        assert undone["data"] == before["data"]
        assert mapping(undone, "metadata", "annotations") == {}
        with pytest.raises(InputError, match="nothing to undo"):
            undoing(undone)


def test_a_config_map_that_kube_dns_did_not_have_is_made_and_goes_again() -> None:
    change = forwarding(DnsKind.KUBE_DNS, "kube-dns", None, SERVERS)
    assert (change.version, change.after) == ("", {"upstreamNameservers": NAMESERVERS})
    made = changed(None, change)
    assert undoing(made).whole
    assert undoing(changed(made, forwarding(DnsKind.KUBE_DNS, "kube-dns", made, ["1.1.1.1"]))).whole
    shared: dict[str, Json] = {**made, "data": {**mapping(made, "data"), "stubDomains": "{}"}}
    assert not undoing(shared).whole
    assert changed(shared, undoing(shared))["data"] == {"stubDomains": "{}"}


def test_what_somebody_has_edited_since_is_not_lost() -> None:
    before = config_map(Corefile=COREFILE)
    fixed = changed(before, forwarding(DnsKind.COREDNS, "coredns", before, SERVERS))
    edited: dict[str, Json] = {**fixed, "data": {"Corefile": FIXED.replace("    loop\n", "")}}
    with pytest.raises(ClusterError, match="was edited after") as raised:
        undoing(edited)
    assert "-    loop" in raised.value.where
    # what was there when byok8s changed it the second time is what undo gives back
    again = changed(edited, forwarding(DnsKind.COREDNS, "coredns", edited, ["1.1.1.1"]))
    assert changed(again, undoing(again))["data"] == edited["data"]


def test_other_keys_that_somebody_has_edited_stay() -> None:
    before = config_map(Corefile=COREFILE, NodeHosts="a")
    fixed = changed(before, forwarding(DnsKind.COREDNS, "coredns", before, SERVERS))
    edited: dict[str, Json] = {**fixed, "data": {"Corefile": FIXED, "NodeHosts": "b"}}
    assert changed(edited, undoing(edited))["data"] == {"Corefile": COREFILE, "NodeHosts": "b"}


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"before": {}}', '{"before": 1, "after": {}, "created": false}']
)
def test_a_note_that_says_nothing(note: str) -> None:
    obj = config_map(Corefile=COREFILE)
    obj["metadata"] = {**mapping(obj, "metadata"), "annotations": {ANNOTATION: note}}
    with pytest.raises(InputError, match="nothing to undo"):
        undoing(obj)
    assert json.loads(str(forwarding(DnsKind.COREDNS, "coredns", obj, SERVERS).note))["before"] == {
        "Corefile": COREFILE
    }


def test_what_is_so_already_is_no_change() -> None:
    assert forwarding(DnsKind.COREDNS, "coredns", config_map(Corefile=FIXED), SERVERS).is_empty
    held = config_map("kube-dns", upstreamNameservers=NAMESERVERS)
    assert forwarding(DnsKind.KUBE_DNS, "kube-dns", held, SERVERS).is_empty


@pytest.mark.parametrize("held", [None, config_map(), config_map("x", other="")])
def test_a_coredns_that_is_configured_otherwise(held: Mapping[str, Json] | None) -> None:
    with pytest.raises(ClusterError, match="no ConfigMap coredns with a Corefile"):
        forwarding(DnsKind.COREDNS, "coredns", held, SERVERS)


def test_kube_dns_takes_three_servers() -> None:
    with pytest.raises(InputError, match="at most 3"):
        forwarding(DnsKind.KUBE_DNS, "kube-dns", None, ["1.1.1.1"] * 4)
    assert not forwarding(DnsKind.COREDNS, "coredns", config_map(Corefile=COREFILE), ["1.1.1.1"] * 4).is_empty


def test_names_are_looked_up_by_python_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT.read_text(), "0", "localhost", "no-such-host.invalid"],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert answers["localhost"] == ""
    assert answers["no-such-host.invalid"]


@pytest.mark.parametrize(
    ("endpoint", "hosts"),
    [
        (None, ["s3.amazonaws.com"]),
        ("https://minio.example.org:9000", ["minio.example.org"]),
        ("http://10.88.0.1:8333", []),
        ("http://[2001:db8::1]:8333", []),
        ("minio", []),
    ],
)
def test_the_name_outside_is_that_of_the_s3_server(endpoint: str | None, hosts: list[str]) -> None:
    assert outside(endpoint) == hosts


def test_the_pod_that_asks_is_made_as_the_user_says() -> None:
    made = pod_made(Settings(image="python:3.12", pod={"node_selector": "disk=ssd"}))
    assert made.image == "python:3.12"
    assert made.said == {"spec": {"nodeSelector": {"disk": "ssd"}}}
    assert made.template == {}
    with pytest.raises(InputError, match="no pod template"):
        pod_made(Settings(pod_template="no-such.yaml"))
