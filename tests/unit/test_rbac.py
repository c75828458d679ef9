"""The Role of a run: every right once, to whom it is for, in YAML that kubectl reads."""

import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import yaml

from byok8s.access import rbac
from byok8s.access.rbac import Subject
from byok8s.access.rights import CLEAN_RIGHTS, HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.errors import InputError
from byok8s.kube.objects import Json, get_in, items, text


def printed(*arguments: str, cwd: Path, **environment: str) -> list[dict[str, Json]]:
    """What the command prints, without a kubeconfig anywhere."""
    done = subprocess.run(
        [sys.executable, "-m", "byok8s", "rbac", *arguments],
        cwd=cwd,
        env={"HOME": str(cwd), "KUBECONFIG": "/nonexistent"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


def granted(role: dict[str, Json]) -> set[tuple[str, str, str]]:
    return {
        (str(get_in(rule, "apiGroups", 0)), str(get_in(rule, "resources", 0)), str(verb))
        for rule in items(role, "rules")
        for verb in cast("list[Json]", rule["verbs"])
    }


@pytest.mark.parametrize(
    ("flags", "rights"),
    [
        ((), RIGHTS + STREAM_RIGHTS + HELPFUL_RIGHTS),
        (("--no-exec",), RIGHTS + HELPFUL_RIGHTS),
        (("--with-clean",), RIGHTS + STREAM_RIGHTS + HELPFUL_RIGHTS + CLEAN_RIGHTS),
        (("--no-exec", "--with-clean"), RIGHTS + HELPFUL_RIGHTS + CLEAN_RIGHTS),
    ],
)
def test_the_role_has_these_rights_and_no_other(
    flags: tuple[str, ...], rights: tuple[Right, ...], tmp_path: Path
) -> None:
    _, role, _ = printed("-k", "lab", *flags, cwd=tmp_path)
    assert granted(role) == {(right.group, right.resource, right.verb) for right in rights}


def test_one_rule_for_each_resource_with_its_verbs_sorted() -> None:
    (_, role, _) = rbac.objects("lab", "x", None, [*RIGHTS, *CLEAN_RIGHTS])
    rules = [(rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in items(role, "rules")]
    assert rules == [
        (["batch"], ["jobs"], ["create", "delete", "list", "patch"]),
        ([""], ["secrets"], ["create", "delete", "list"]),
        ([""], ["configmaps"], ["create", "delete", "list"]),
        ([""], ["pods"], ["create", "delete", "deletecollection", "list", "watch"]),
        ([""], ["pods/log"], ["get"]),
    ]


def test_a_new_service_account_by_default(tmp_path: Path) -> None:
    account, role, binding = printed(cwd=tmp_path)
    assert [text(obj, "kind") for obj in (account, role, binding)] == [
        "ServiceAccount",
        "Role",
        "RoleBinding",
    ]
    for obj in (account, role, binding):
        assert obj["metadata"] == {"name": "byok8s", "namespace": "default"}
    assert items(binding, "subjects") == [
        {"kind": "ServiceAccount", "name": "byok8s", "namespace": "default"}
    ]
    assert get_in(binding, "roleRef", "name") == "byok8s"


def test_the_namespace_is_taken_from_the_first_place_that_names_one(tmp_path: Path) -> None:
    (tmp_path / ".config" / "byok8s").mkdir(parents=True)
    (tmp_path / ".config" / "byok8s" / "config.yaml").write_text("k8s_namespace: of-the-file\n")
    variable = {"BYOK8S_K8S_NAMESPACE": "of-the-environment"}
    for flags, environment, namespace in (
        ((), {}, "of-the-file"),
        ((), variable, "of-the-environment"),
        (("-k", "of-the-flag"), variable, "of-the-flag"),
    ):
        for obj in printed(*flags, cwd=tmp_path, **environment):
            assert get_in(obj, "metadata", "namespace") == namespace


@pytest.mark.parametrize(
    ("flags", "subject"),
    [
        (("--user", "ada"), {"kind": "User", "name": "ada", "apiGroup": rbac.GROUP}),
        (("--group", "oidc:no"), {"kind": "Group", "name": "oidc:no", "apiGroup": rbac.GROUP}),
        (("--user", "no"), {"kind": "User", "name": "no", "apiGroup": rbac.GROUP}),
        (("--service-account", "ci:bot"), {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}),
    ],
)
def test_somebody_who_is_there_already(
    flags: tuple[str, ...], subject: dict[str, str], tmp_path: Path
) -> None:
    role, binding = printed("-k", "lab", "--name", "runs", *flags, cwd=tmp_path)
    assert role["metadata"] == binding["metadata"] == {"name": "runs", "namespace": "lab"}
    assert items(binding, "subjects") == [subject]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("ada", "team", None), "only one"),
        (("ada", None, "ci:bot"), "only one"),
        ((None, None, "bot"), "NAMESPACE:NAME"),
        ((None, None, ":bot"), "--service-account default:bot"),
        ((None, None, "ci:"), "NAMESPACE:NAME"),
    ],
)
def test_a_subject_that_is_none(given: tuple[str | None, str | None, str | None], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Subject.parse(*given)


def test_it_loads_neither_a_client_nor_snakemake() -> None:
    code = (
        "import sys; sys.argv[1:] = ['rbac']\n"
        "from byok8s.cli import main\n"
        "try: main()\nexcept SystemExit: print(*sys.modules, sep='\\n')"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "byok8s.access.rbac" in loaded.split()
    assert not {"snakemake", "kubernetes", "boto3", "urllib3"} & set(loaded.split())
