"""The request: which place a setting is taken from, and what is refused on this machine alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.request import Request, read_request
from byok8s.settings import Settings


@pytest.fixture(autouse=True)
def workflow_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workflow-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("Snakefile").touch()
    Path("params.json").write_text('{"name": "blue"}')
    return folder


def write(path: str, content: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def read(said: Settings, *targets: str, snakemake: Sequence[str] = ("--retries", "3")) -> Request:
    if not Path("wf.json").exists():
        write("wf.json", {"workflow_target": "t"})
    return read_words(["wf", "params", *targets], said, snakemake)


def read_words(words: Sequence[str], said: Settings, snakemake: Sequence[str] = ()) -> Request:
    return read_request(
        words, said, dry_run=False, force=False, ignore_lock=False, snakemake_arguments=snakemake
    )


def test_a_flag_comes_before_the_workflow_file_and_that_before_the_users_config(tmp_path: Path) -> None:
    write("wf.json", {"workflow_target": "t", "s3_bucket": "from-workflow", "k8s_namespace": "from-workflow"})
    config = {"s3_bucket": "from-config", "k8s_namespace": "from-config", "image": "from-config", "jobs": 3}
    write(str(tmp_path / "config/byok8s/config.yaml"), config)
    request = read(Settings(s3_bucket="from-flag"))
    assert request.bucket is not None
    assert (request.bucket.name, request.namespace, request.image, request.jobs) == (
        "from-flag",
        "from-workflow",
        "from-config",
        3,
    )


def test_what_is_false_in_a_flag_is_not_overruled_by_a_file() -> None:
    write("wf.json", {"workflow_target": "t", "local": True, "s3_bucket": "a-bucket"})
    assert read(Settings()).local
    assert not read(Settings(local=False)).local


@pytest.mark.parametrize(
    ("target", "given", "targets"),
    [
        ("t", (), ("t",)),
        (["t", "u"], (), ("t", "u")),
        ("t", ("x", "y"), ("x", "y")),
        (None, ("x",), ("x",)),
        (None, (), ()),
    ],
)
def test_targets(target: object, given: tuple[str, ...], targets: tuple[str, ...]) -> None:
    write("wf.json", {"workflow_target": target})
    assert read(Settings(s3_bucket="a-bucket"), *given).targets == targets


def test_snakemakes_arguments_are_kept_as_they_are() -> None:
    write("wf.json", {"workflow_target": "t"})
    assert read(Settings(s3_bucket="a-bucket")).snakemake_arguments == ("--retries", "3")


def test_the_snakefile_of_the_workflow_folder_is_found() -> None:
    write("wf.json", {"workflow_target": "t"})
    Path("Snakefile").unlink()
    Path("workflow").mkdir()
    Path("workflow/Snakefile").touch()
    assert read(Settings(s3_bucket="a-bucket")).snakefile == Path("workflow/Snakefile").resolve()


@pytest.mark.parametrize(
    ("content", "said", "words"),
    [
        ({"workflow_target": ["t", ""]}, Settings(s3_bucket="b-1"), "does not say what to make"),
        ({"workflow_target": []}, Settings(s3_bucket="b-1"), "does not say what to make"),
        ({"workflow_target": 3}, Settings(s3_bucket="b-1"), "workflow_target"),
        ({"workflow_targt": "t"}, Settings(s3_bucket="b-1"), "workflow_targt"),
        (
            {"workflow_target": "t", "jobs": "many"},
            Settings(s3_bucket="b-1"),
            "Expected `int | null`, got `str`",
        ),
        ({"workflow_target": "t"}, Settings(), "No bucket is named"),
        ({"workflow_target": "t"}, Settings(s3_bucket="Not_A_Bucket"), "Not_A_Bucket"),
        ({"workflow_target": "t"}, Settings(s3_bucket="b-1", jobs=0), "--jobs must be at least 1"),
        ({"workflow_target": "t"}, Settings(s3_bucket="b-1", snakefile="no/such"), "There is no Snakefile"),
        (
            {"workflow_target": "t"},
            Settings(s3_bucket="b-1", s3_endpoint_url="http://localhost:9000"),
            "Pods cannot reach",
        ),
    ],
)
def test_what_is_refused(content: object, said: Settings, words: str) -> None:
    write("wf.json", content)
    with pytest.raises(InputError) as caught:
        read(said)
    assert words in caught.value.what
    assert caught.value.exit_code == 2


def test_a_snakefile_beside_the_working_folder(workflow_folder: Path) -> None:
    Path("../workflow").mkdir()
    Path("../workflow/Snakefile").touch()
    request = read(Settings(local=True, snakefile="../workflow/Snakefile"))
    assert request.snakefile == workflow_folder.resolve().parent / "workflow/Snakefile"
    assert request.root == workflow_folder.resolve().parent
    assert read(Settings(local=True)).root == workflow_folder.resolve()


@pytest.mark.parametrize(
    "given", [["--directory", "../.test"], ["--directory=../.test"], ["-d", "../.test", "-p"]]
)
def test_the_root_holds_snakemakes_directory(given: list[str], workflow_folder: Path) -> None:
    assert read(Settings(local=True), snakemake=given).root == workflow_folder.resolve().parent
    assert read(Settings(local=True), snakemake=["-d", "below"]).root == workflow_folder.resolve()


def test_a_root_that_is_a_home_folder_is_refused(
    workflow_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(workflow_folder.parent))
    Path("../Snakefile").touch()
    with pytest.raises(InputError) as caught:
        read(Settings(local=True, snakefile="../Snakefile"))
    assert f"have only {workflow_folder.resolve().parent} in common" in caught.value.what


def test_a_home_folder_that_was_chosen_is_not(workflow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(workflow_folder))
    assert read(Settings(local=True)).root == workflow_folder.resolve()


def test_without_files_the_default_target_is_asked_for() -> None:
    request = read_words([], Settings(local=True))
    assert (request.workflow_file, request.params_file, request.targets, request.params) == (
        None,
        None,
        (),
        {},
    )


def test_a_schema_counts_without_a_params_file() -> None:
    Path("params.schema.yaml").write_text("properties: {depth: {default: 3}}")
    assert read_words([], Settings(local=True)).params == {"depth": 3}
    Path("params.schema.yaml").write_text("required: [depth]")
    with pytest.raises(InputError, match=r"(?s)No params file is named.*depth: is required"):
        read_words([], Settings(local=True))


def test_without_a_cluster_no_bucket_is_needed_and_an_endpoint_may_be_this_machine() -> None:
    write("wf.json", {"workflow_target": "t"})
    assert read(Settings(local=True)).bucket is None
    said = Settings(local=True, s3_bucket="a-bucket", s3_endpoint_url="http://localhost:9000")
    assert read(said).bucket is not None


@pytest.mark.parametrize(
    ("said", "software"),
    [
        (Settings(), "declared"),
        (Settings(image="own"), "image"),
        (Settings(local=True), "image"),
        (Settings(image="own", software="conda"), "conda"),
        (Settings(software="image"), "image"),
    ],
)
def test_rules_get_what_they_declare_unless_an_image_is_named(said: Settings, software: str) -> None:
    write("wf.json", {"workflow_target": "t", "s3_bucket": "a-bucket"})
    assert read(said).software == software


def test_a_software_that_is_not_there_is_refused() -> None:
    write("wf.json", {"workflow_target": "t", "s3_bucket": "a-bucket", "software": "container,conda"})
    with pytest.raises(InputError, match="software"):
        read(Settings())
