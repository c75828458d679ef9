"""The documents say what the code does."""

import json
import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import botocore.session
import msgspec
import pytest
import yaml
from markdown_it import MarkdownIt

from answering import Answer, answering
from byok8s import failures, schema
from byok8s.access.rights import (
    CLEAN_RIGHTS,
    DNS_HELPFUL_RIGHTS,
    DNS_RIGHTS,
    HELPFUL_RIGHTS,
    RIGHTS,
    STREAM_RIGHTS,
    Right,
)
from byok8s.cli.clean import clean
from byok8s.cli.cluster_fix_dns import fix_dns
from byok8s.cli.doctor import doctor
from byok8s.cli.run import EPILOG, run
from byok8s.dns.change import ANNOTATION
from byok8s.dns.managed import PROVIDERS
from byok8s.doctor import probe_checks
from byok8s.doctor.clock import S3_SECONDS, UNREMARKABLE_SECONDS
from byok8s.doctor.diagnosis import NAMES, TITLES
from byok8s.doctor.probe_pod import PULL_SECONDS
from byok8s.errors import InputError
from byok8s.git.program import SILENT_SECONDS as GIT_SILENT_SECONDS
from byok8s.kube.objects import Json, Object, items, text
from byok8s.local_cluster.choose import drivers
from byok8s.pods import manifest, template
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import LEASE_SECONDS
from byok8s.pods.names import Names
from byok8s.pods.pod_options import POD_OPTIONS
from byok8s.run_objects.leftovers import SILENCE_SECONDS
from byok8s.run_objects.objects import RENEW_SECONDS
from byok8s.settings import Settings

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
OPERATORS = (ROOT / "docs" / "operators.md").read_text()
DOCTOR_DOCUMENT = (ROOT / "docs" / "doctor.md").read_text()
DNS_DOCUMENT = (ROOT / "docs" / "dns.md").read_text()
RIGHTS_DOCUMENT = (ROOT / "docs" / "rights.md").read_text()
S3_DOCUMENT = (ROOT / "docs" / "s3.md").read_text()


def tables(document: str) -> list[list[list[str]]]:
    """The rows of each table, without its head."""
    lines = document.splitlines()
    found = [list(table) for is_row, table in groupby(lines, lambda line: line.startswith("|")) if is_row]
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]] for table in found]


def test_each_right_is_documented_and_no_other() -> None:
    def rows(rights: tuple[Right, ...]) -> list[list[str]]:
        return [[right.group_resource, right.verb, right.purpose] for right in rights]

    assert tables(RIGHTS_DOCUMENT) == [
        rows(RIGHTS),
        rows(STREAM_RIGHTS),
        rows(HELPFUL_RIGHTS),
        rows(CLEAN_RIGHTS),
        rows(DNS_RIGHTS),
        rows(DNS_HELPFUL_RIGHTS),
    ]


@pytest.mark.parametrize(
    ("document", "epilog"),
    [(CONFIGURATION, EPILOG), (DNS_DOCUMENT, fix_dns.epilog), (DOCTOR_DOCUMENT, doctor.epilog)],
    ids=["run", "fix-dns", "doctor"],
)
def test_the_exit_codes_in_the_documents_are_those_of_help(document: str, epilog: str) -> None:
    for line in epilog.splitlines()[2:]:
        code, _, meaning = line.strip().partition(" ")
        assert f"| {code} | {meaning.strip()} |" in document


@pytest.mark.parametrize("words", [OPERATORS, RIGHTS_DOCUMENT, clean.help])
def test_what_counts_as_dead_is_what_the_documents_say(words: str) -> None:
    assert f"{SILENCE_SECONDS // 60} minutes" in " ".join(words.split())


def test_the_times_of_the_lease_are_those_of_the_documents() -> None:
    assert f"renews every {RENEW_SECONDS // 60} minutes" in RIGHTS_DOCUMENT
    assert f"`activeDeadlineSeconds` - {LEASE_SECONDS} seconds" in RIGHTS_DOCUMENT
    assert clean.help is not None
    assert f"renews the run's lease every {RENEW_SECONDS // 60}," in " ".join(clean.help.split())


def test_each_option_of_a_pod_is_documented_and_no_other() -> None:
    table = (ROOT / "docs" / "pods.md").read_text().partition("| option | value | in the pod |")[2]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == POD_OPTIONS


def test_each_tool_that_makes_clusters_is_documented_with_its_page() -> None:
    document = (ROOT / "docs" / "local-cluster.md").read_text()
    for driver in drivers(ROOT, print, None).values():
        assert f"| [`{driver.name}`]({driver.install}) |" in document


def test_each_failure_has_its_page_and_no_page_is_of_none() -> None:
    assert list(failures.titles()) == sorted(cause.value for cause in Cause)


def test_the_list_of_failures_is_that_of_the_pages_by_kind() -> None:
    lines = (ROOT / "docs" / "failures.md").read_text().splitlines()
    rows = {line for line in lines if line.startswith("| [")}
    pages = {
        f"| [{slug}](../src/byok8s/failures/{slug}.md) | {title} | {Cause(slug).kind.value} |"
        for slug, title in failures.titles().items()
    }
    assert rows == pages


@pytest.mark.parametrize("cause", Cause)
def test_a_page_says_what_it_means_how_to_see_it_and_what_to_do(cause: Cause) -> None:
    page = failures.page(cause.value)
    assert page.startswith(f"# {cause.value}: ")
    assert "\nWhat to do:" in page
    assert max(map(len, page.splitlines())) <= 120


def test_a_failure_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(InputError, match="no failure named 'flood'"):
        failures.page("flood")


def fences(document: str, language: str) -> Iterator[str]:
    for token in MarkdownIt("commonmark").parse(document):
        if token.type == "fence" and token.info == language:
            yield token.content


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_json_and_yaml_in_the_documents_can_be_read(path: Path) -> None:
    document = path.read_text()
    assert all(json.loads(block) for block in fences(document, "json"))
    assert all(yaml.safe_load(block) for block in fences(document, "yaml"))


def test_each_setting_is_documented_with_its_flag_and_no_other() -> None:
    table = tables((ROOT / "docs" / "configuration.md").read_text())[0]
    flags = {str(option.name): f"`--{str(option.name).replace('_', '-')}`" for option in run.params}
    settings = [field.name for field in msgspec.structs.fields(Settings)]
    assert {row[0]: row[1] for row in table} == {f"`{name}`": flags[name] for name in settings}


def test_what_is_shown_of_parameters_is_what_the_schema_of_the_document_gives(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "params.md").read_text()
    written, given, copy, begin = fences(document, "yaml")
    refused, listed = fences(document, "")
    path = tmp_path / "params.schema.yaml"
    path.write_text(written)
    found = schema.parameters(path)
    assert listed == f"$ byok8s params\n{schema.table(found)}\n"
    assert begin == f"{schema.skeleton(found)}\n"
    with pytest.raises(InputError) as caught:
        schema.apply(path, tmp_path / "params-blue.yaml", yaml.safe_load(given))
    _, what, where, *faults, hint = refused.splitlines()
    assert what == f"byok8s: {caught.value.what}"
    assert where == "  In /home/ada/my-workflow/params-blue.yaml:"
    assert [line.strip() for line in faults] == [line.strip() for line in caught.value.where.splitlines()[1:]]
    assert hint.strip() == caught.value.hint
    assert schema.apply(path, path, {"samples": [{"name": "a"}]}) == yaml.safe_load(copy)


KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
IRSA = {
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/jobs",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
}
POD_IDENTITY = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ({}, "shared-credentials-file"),
        (POD_IDENTITY, "shared-credentials-file"),
        (IRSA, "assume-role-with-web-identity"),
        (IRSA | POD_IDENTITY, "assume-role-with-web-identity"),
        (IRSA | KEYS, "env"),
    ],
    ids=["nothing", "pod identity", "irsa", "both", "keys"],
)
def test_what_a_pod_takes_before_the_copy_of_the_users_credentials(
    more: dict[str, str], method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    copy = tmp_path / "aws-credentials"
    copy.write_text("[default]\naws_access_key_id = copy\naws_secret_access_key = copy\n")
    for name, value in (more | {"AWS_SHARED_CREDENTIALS_FILE": str(copy)}).items():
        monkeypatch.setenv(name, value)
    assert botocore.session.Session().get_credentials().method == method


def test_without_the_copy_pod_identity_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with --no-credentials: the file is named, and is not there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {
        "AccessKeyId": "role's",
        "SecretAccessKey": "x",
        "Token": "y",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    with answering(lambda _: Answer(200, keys)) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
        found = botocore.session.Session().get_credentials()
        assert (found.method, found.access_key) == ("container-role", "role's")


def pod_of_document(name: str, folder: Path) -> Object:
    """A pod with a template that stands in docs/s3.md, whose first line has its name."""
    block = next(block for block in fences(S3_DOCUMENT, "yaml") if name in block.partition("\n")[0])
    (folder / "template.yaml").write_text(block)
    names = Names("20261122-193000-k3x9")
    settings = manifest.PodSettings("image:1", 1, {"AWS_SHARED_CREDENTIALS_FILE": "/byok8s/keys"}, [])
    shape = manifest.Shape(cores=1, template=template.load(folder / "template.yaml"))
    return manifest.pod(names, {}, settings, manifest.worker_plan(names, shape, 0))


def variables(pod: Object) -> dict[str, Json]:
    [container] = items(pod, "spec", "containers")
    return {text(one, "name"): one.get("value", one.get("valueFrom")) for one in items(container, "env")}


def test_the_template_for_a_web_identity_gives_pods_a_token_beside_the_copy(tmp_path: Path) -> None:
    pod = pod_of_document("pods/role.yaml", tmp_path)
    [container] = items(pod, "spec", "containers")
    given = variables(pod)
    assert "AWS_SHARED_CREDENTIALS_FILE" in given
    assert str(given["AWS_ROLE_ARN"]).startswith("arn:aws:iam::")
    mounts = {text(mount, "mountPath"): text(mount, "name") for mount in items(container, "volumeMounts")}
    folder, _, file = str(given["AWS_WEB_IDENTITY_TOKEN_FILE"]).rpartition("/")
    volume = next(one for one in items(pod, "spec", "volumes") if one["name"] == mounts[folder])
    [source] = items(volume, "projected", "sources")
    assert text(source, "serviceAccountToken", "path") == file
    assert text(source, "serviceAccountToken", "audience") == "sts.amazonaws.com"


def test_the_template_for_other_keys_puts_them_where_they_count_first(tmp_path: Path) -> None:
    given = variables(pod_of_document("pods/keys.yaml", tmp_path))
    for variable, key in (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")):
        assert given[variable] == {"secretKeyRef": {"name": "job-keys", "key": key}}


def test_whose_dns_is_left_alone_is_documented() -> None:
    for provider in PROVIDERS:
        assert f"| {provider.name}" in DNS_DOCUMENT.replace(
            "| an add-on manager", "| the cluster's add-on manager"
        )
    assert f"`{ANNOTATION}`" in DNS_DOCUMENT


def test_each_check_of_the_doctor_is_documented_and_no_other() -> None:
    _, *fields = tables(DOCTOR_DOCUMENT)  # the first is that of the exit codes
    assert [[row[0] for row in rows] for rows in fields] == [[*names] for names in NAMES.values()]
    assert re.findall(r"^### (.*)$", DOCTOR_DOCUMENT, re.MULTILINE) == [*TITLES.values()]


def test_the_rights_that_the_doctor_asks_for_are_documented_by_their_verbs() -> None:
    rows = {row[0]: row[1] for rows in tables(DOCTOR_DOCUMENT) for row in rows}
    verbs: dict[str, list[str]] = {}
    for right in (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS):
        verbs.setdefault(right.group_resource, []).append(right.verb)
    for resource, wanted in verbs.items():
        assert re.findall(r"`(\w+)`", rows[resource]) == wanted


def test_the_bounds_of_the_doctor_are_those_of_its_document() -> None:
    assert f"refuses {S3_SECONDS / 60:.0f} minutes" in DOCTOR_DOCUMENT
    assert f"from {UNREMARKABLE_SECONDS:.0f} s on a warning" in DOCTOR_DOCUMENT
    assert f"below {probe_checks.LEAST_FREE_MB / 1000:.0f} GB a warning" in DOCTOR_DOCUMENT
    oldest = ".".join(map(str, probe_checks.OLDEST_SNAKEMAKE))
    assert f"{oldest} and newer, below {probe_checks.NEXT_SNAKEMAKE[0]}" in DOCTOR_DOCUMENT
    assert PULL_SECONDS == 300
    assert "up to five minutes" in DOCTOR_DOCUMENT


def test_how_long_a_git_server_may_say_nothing_is_documented() -> None:
    document = (ROOT / "docs" / "elsewhere.md").read_text()
    assert f"says nothing over http for {GIT_SILENT_SECONDS} s is given up" in document
