"""Conda environments: what they are made of, and how one is made of that. The channel is made by hand."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from byok8s.errors import InputError
from byok8s.run.adjust import made_in_pods
from byok8s.software.channels import Channels
from byok8s.software.spec import ENVIRONMENTS, Spec, Specs
from byok8s.worker import conda, installation
from byok8s.worker.installation import Unmade, Wanted
from channel import greeting
from planned import planned
from private_channel import CHANNEL_TOKEN, PASSWORD, USER, guarded
from serving import served

RULE = "rule a:\n    output: 'a'\n    conda: '{}'\n    shell: 'touch {{output}}'\n"
YAML = "channels: [greetings]\ndependencies: [greet, 'libgreet=1.2']\n"


@pytest.mark.parametrize("beside", [{}, {"envs/a.linux-64.pin.txt": "pin"}, {"envs/a.post-deploy.sh": "sh"}])
def test_the_name_of_an_environment_is_snakemakes(beside: dict[str, str], tmp_path: Path) -> None:
    from snakemake.deployment.conda import Env

    files = {"Snakefile": RULE.format("envs/a.yaml"), "envs/a.yaml": YAML, **beside}
    with made_in_pods(), planned(tmp_path, files, methods=frozenset({"conda"})) as dag:
        (job,) = dag.jobs
        spec = Specs(dag.workflow).of(job)
        assert spec
        env = Env(dag.workflow, env_file=job.conda_env_spec.file, envs_dir=ENVIRONMENTS)
        assert (spec.name, spec.yaml) == (env.hash, YAML)
        assert bool(spec.pin or spec.deploy) == bool(beside)
        # and Snakemake knows it, for what has changed
        assert job.conda_env.content_hash == env.content_hash


def test_an_environment_by_its_name_is_refused(tmp_path: Path) -> None:
    files = {"Snakefile": RULE.format("base")}
    with made_in_pods(), planned(tmp_path, files, methods=frozenset({"conda"})) as dag:
        (job,) = dag.jobs
        with pytest.raises(InputError, match="by its name"):
            Specs(dag.workflow).of(job)


def test_pods_have_environments_where_their_names_are_of() -> None:
    from byok8s.pods.manifest import WORK
    from byok8s.worker.job_folder import ENVIRONMENTS as IN_PODS

    assert f"{WORK}/{IN_PODS.name}" == ENVIRONMENTS


# -- made --


@dataclass
class Maker:
    """Makes environments here, as a pod would. variables: this machine's, with a home of its own."""

    folder: Path
    address: str
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(self, yaml: str = YAML, pin: str = "", deploy: str = "") -> Path:
        channels = Channels(self.address, self.variables, self.folder)
        plan = channels.plan(Spec("envs/a.yaml", yaml, pin, deploy))
        said = Wanted("x", plan.yaml, plan.pin, deploy, "linux-64", plan.channels)
        prefix = self.folder / "envs/x_"
        installation.install(
            Wanted.of_argument(said.to_argument()), plan.access, prefix, self.folder / "packages"
        )
        return prefix


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    monkeypatch.setattr(conda, "BASE", tmp_path / "base")
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    installation.SAID.clear()
    greeting(tmp_path / "channels/greetings")
    with served(tmp_path / "channels") as address:
        yield Maker(tmp_path, address)


def greet(prefix: Path) -> str:
    conda.lay_base()
    command = f"source {conda.BASE}/bin/activate '{prefix}'; greet; echo $SAID"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout


def test_what_is_packed_is_what_was_made(make: Maker, tmp_path: Path) -> None:
    prefix = make(YAML + "variables:\n  SAID: it's $so\n")
    before = greet(prefix)
    assert before.splitlines() == [
        "hello from libgreet 1.2",
        f"home {prefix}/share/greet prefix {prefix}",
        "it's $so",
    ]
    conda.pack(prefix, tmp_path / "packed")
    prefix.rename(tmp_path / "elsewhere")
    conda.unpack(tmp_path / "packed", prefix)
    assert greet(prefix) == before
    assert os.access(prefix / "bin/greet", os.X_OK)


def test_names_links_and_times_of_what_is_packed(tmp_path: Path) -> None:
    prefix, there = tmp_path / "prefix", tmp_path / "there"
    long = prefix / ("lib/" + "long " * 30) / ("é" * 120)
    long.parent.mkdir(parents=True)
    long.write_text("long")
    os.utime(long, ns=(1_700_000_000_987_654_321,) * 2)
    (prefix / os.fsdecode(b"not utf-8 \xff")).touch()
    (prefix / "link").symlink_to("x/" * 80)
    (prefix / "same").hardlink_to(long)
    conda.pack(prefix, tmp_path / "packed")
    conda.unpack(tmp_path / "packed", there)
    assert sorted(os.fsencode(path.name) for path in there.iterdir()) == [
        b"lib",
        b"link",
        b"not utf-8 \xff",
        b"same",
    ]
    again = there / long.relative_to(prefix)
    assert again.read_text() == "long"
    assert again.stat().st_mtime == 1_700_000_000  # what Python compares a compiled file with
    assert again.samefile(there / "same")
    assert (there / "link").readlink() == (prefix / "link").readlink()


@pytest.mark.parametrize(("version", "pinned"), [("1.3", True), ("1.9", False)])
def test_a_pin_file_counts_if_its_packages_are_there(version: str, pinned: bool, make: Maker) -> None:
    urls = [
        f"https://conda.anaconda.org/greetings/linux-64/{name}.conda"
        for name in ("greet-2.0-0", f"libgreet-{version}-0")
    ]
    prefix = make(pin="\n".join(["@EXPLICIT", *urls]))
    assert greet(prefix).startswith(f"hello from libgreet {'1.3' if pinned else '1.2'}\n")
    assert bool(installation.SAID) != pinned


def test_a_package_is_taken_from_the_first_channel_that_has_it(make: Maker, tmp_path: Path) -> None:
    greeting(tmp_path / "channels/later").add("libgreet", "9.9", {"share/greet/words": "later\n"})
    prefix = make("channels: [greetings, later, nodefaults]\ndependencies: [greet]\n")
    assert greet(prefix).startswith("hello from libgreet 1.3\n")


@pytest.mark.parametrize(
    ("changes", "cause", "words"),
    [
        ({"yaml": YAML.replace("1.2", "7.7")}, "conda-unsolvable", "no packages"),
        ({"yaml": YAML.replace("greetings", "absent")}, "conda-channel", "cannot be reached"),
        ({"yaml": YAML.replace("greet,", "{more: [x]},")}, "conda-unsolvable", "no package"),
        ({"yaml": YAML.replace("greet,", "greet, {pip: ['-r x.txt']},")}, "conda-install", "-r x.txt"),
        ({"yaml": YAML.replace("greet,", "greet, {pip: [x]},")}, "conda-install", "Python"),
        ({"deploy": "echo oh; exit 3"}, "conda-post-deploy", "exit code 3"),
    ],
)
def test_what_cannot_be_made_has_a_name(changes: dict[str, str], cause: str, words: str, make: Maker) -> None:
    with pytest.raises(Unmade, match=words) as caught:
        make(**changes)
    assert caught.value.cause == cause


def test_a_post_deploy_script_runs_in_the_environment(make: Maker) -> None:
    prefix = make(deploy="#!/bin/bash\n[[ -n $GREET_HOME ]] && greet > $CONDA_PREFIX/deployed\n")
    assert (prefix / "deployed").read_text().startswith("hello from libgreet 1.2\n")


# rattler's threads crash Python's own end in one of sixty runs, after all was made: what stands for them always does
CRASH = "import atexit, os; atexit.register(os.abort); "


def test_the_end_of_python_does_not_undo_what_was_made(make: Maker, tmp_path: Path) -> None:
    wanted = Wanted("x", YAML, "", "", "linux-64", [f"{make.address}/greetings"])
    (tmp_path / "x.json").write_text(json.dumps(asdict(wanted)))
    run = "import runpy; runpy.run_module('byok8s.worker.installation', run_name='__main__')"
    command = [sys.executable, "-c", CRASH + run, "x.json", "envs", "packages"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "envs/x_.env_setup_done").exists()


def test_nor_what_a_pod_has_to_say_of_it(tmp_path: Path) -> None:
    script = f"""if True:
        {CRASH}
        from pathlib import Path
        from byok8s.worker import __main__, environment, job_folder, termination
        from byok8s.worker.protocol import Result
        job_folder.bring_plugins = Path
        environment.attempt = lambda word: print("log of", word, end="") or Result(7, "no packages")
        termination.TERMINATION_LOG = Path("left")
        __main__.environment("x")
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "log of x"), done.stderr
    assert "no packages" in (tmp_path / "left").read_text()


# -- private channels --


@pytest.fixture
def private(make: Maker, tmp_path: Path) -> Iterator[Maker]:
    """What is served wants credentials."""
    with guarded(tmp_path / "channels") as address:
        make.address = ""
        make.variables = {
            "HOST": address.removeprefix("http://"),
            "TOKEN": CHANNEL_TOKEN,
            "PASSWORD": QUOTED,
        }
        yield make


def logged_in(private: Maker, files: dict[str, str]) -> None:
    """Give a machine files with credentials."""
    host = private.variables["HOST"]
    for name, content in files.items():
        path = private.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.replace("HOST:", host).replace("BARE", host.partition(":")[0]))


QUOTED = quote(PASSWORD, safe="")
NETRC = f"machine BARE login {USER} password {PASSWORD}\n"
PACKED = base64.b64encode(PASSWORD.encode()).decode()


@pytest.mark.parametrize(
    ("channel", "files"),
    [
        (f"http://{USER}:${{PASSWORD}}@$HOST/basic/greetings", {}),
        ("http://${HOST}/t/$TOKEN/private/greetings", {}),
        ("http://${HOST}/basic/greetings", {".netrc": NETRC}),
        (
            "http://${HOST}/basic/greetings",
            {
                ".rattler/credentials.json": json.dumps(
                    {"BARE": {"BasicHTTP": {"username": USER, "password": PASSWORD}}}
                )
            },
        ),
        (
            "http://${HOST}/private/greetings",
            {".rattler/credentials.json": json.dumps({"BARE": {"CondaToken": CHANNEL_TOKEN}})},
        ),
        (
            "http://${HOST}/basic/greetings",
            {
                ".mamba/auth/authentication.json": json.dumps(
                    {"HOST:/basic": {"type": "BasicHTTPAuthentication", "user": USER, "password": PACKED}}
                ),
                ".netrc": "machine BARE login other password wrong\n",
            },
        ),
        ("greetings", {".condarc": "channel_alias: http://${HOST}/t/${TOKEN}/private\n"}),
        (
            "greetings",
            {".condarc": f"custom_channels: {{greetings: 'http://{USER}:{QUOTED}@HOST:/basic'}}\n"},
        ),
        (
            "greetings",
            {
                ".condarc": "mirrored_channels: {greetings: ['http://HOST:/basic/greetings']}\n",
                ".netrc": NETRC,
            },
        ),
        ("defaults", {".condarc": "default_channels: ['http://HOST:/t/${TOKEN}/private/greetings']\n"}),
    ],
)
def test_a_private_channel_is_had_with_this_machines_credentials(
    channel: str, files: dict[str, str], private: Maker
) -> None:
    logged_in(private, files)
    prefix = private(YAML.replace("greetings", f"'{channel}'"))
    assert greet(prefix).startswith("hello from libgreet 1.2\n")
    # and nothing of that is in what goes into the bucket
    content = b"".join(path.read_bytes() for path in prefix.rglob("*") if path.is_file())
    assert b"/greetings" in content
    for secret in (CHANNEL_TOKEN, PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret.encode() not in content


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("http://$HOST/basic/greetings", "wants credentials for its channel, and this machine has none"),
        (f"http://{USER}:$TOKEN@$HOST/basic/greetings", "refuses the credentials that this machine has"),
        ("http://$HOST/t/$PASSWORD/private/greetings", "refuses the credentials that this machine has"),
    ],
)
def test_wrong_credentials_have_a_name(channel: str, words: str, private: Maker) -> None:
    with pytest.raises(Unmade, match=words) as caught:
        private(YAML.replace("greetings", f"'{channel}'"))
    assert caught.value.cause == "conda-denied"


def test_pin_files_are_of_private_channels_too(private: Maker) -> None:
    logged_in(private, {".rattler/credentials.json": json.dumps({"BARE": {"CondaToken": CHANNEL_TOKEN}})})
    at = f"http://{private.variables['HOST']}/t/<TOKEN>/private/greetings"
    names = ("greet-2.0-0", "libgreet-1.3-0")
    prefix = private(YAML, pin="\n".join(["@EXPLICIT", *(f"{at}/linux-64/{name}.conda" for name in names)]))
    assert greet(prefix).startswith("hello from libgreet 1.3\n")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Spec("e", "channels: ['https://me:word@host/c']", "", ""), "has credentials in an address"),
        (Spec("e", "channels: ['https://host/t/abc/c']", "", ""), "has credentials in an address"),
        (Spec("e", "channels: [t/abc/c]", "", ""), "has credentials in an address"),
        (Spec("e", "dependencies: [{pip: ['-i https://me:word@host/c']}]", "", ""), "has credentials"),
        (Spec("e", YAML, "https://me:word@host/c/linux-64/a-1-0.conda", ""), "has credentials"),
        (Spec("e", "channels: ['https://me:$NOWHERE@host/c']", "", ""), "variable NOWHERE, which is not set"),
        (Spec("e", "channels: ['https://me:$SLASH@host/c']", "", ""), "cannot be told from its host"),
        (Spec("e", "channels: [", "", ""), "cannot be read"),
        (Spec("e", "- greet", "", ""), "cannot be read"),
    ],
)
def test_what_would_be_seen_by_others_is_refused(spec: Spec, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Channels("", {"SLASH": "pa/ss"}, tmp_path).plan(spec)
    assert "me:" not in str(caught.value)
    assert "pa/" not in str(caught.value)


@pytest.mark.parametrize("alias", ["https://me:word@host", "https://host/t/abc"])
def test_a_mirror_on_the_command_line_has_no_credentials(alias: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--channel-alias has credentials"):
        Channels(alias, {}, tmp_path)


def test_a_login_without_a_password_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text('machine host login "" password ""\n')
    plan = Channels("", {}, tmp_path).plan(Spec("e", "channels: ['https://host/c']", "", ""))
    assert plan.access.headers
    assert plan.access.hide("words") == "words"


@pytest.mark.parametrize("name", [".netrc", ".condarc", ".rattler/credentials.json"])
def test_a_file_that_cannot_be_read_is_named_without_its_words(name: str, private: Maker) -> None:
    logged_in(private, {name: f"machine: [ {PASSWORD}\n"})
    with pytest.raises(InputError, match=name) as caught:
        private()
    assert PASSWORD not in str(caught.value)


def test_pip_gets_the_variables_that_its_lines_name(make: Maker) -> None:
    # the channel's Python is the pod's: it says what pip would have been asked
    python = "#!/bin/sh\necho asked: $TOKEN; cat $7; exit 3\n"
    make.variables = {"TOKEN": "secret-1", "OTHER": "secret-2"}
    greeting(make.folder / "channels/greetings").add("python", "3.12.0", {"bin/python": python})
    asked = "--extra-index-url https://me:${TOKEN}@host/simple"
    with pytest.raises(Unmade, match="pip cannot install"):
        make(YAML.replace("greet,", f"greet, python, {{pip: ['{asked}', x]}},"))
    assert installation.SAID[-1].splitlines() == ["asked: secret-1", asked, "x"]
    plan = Channels("", make.variables, make.folder).plan(
        Spec("e", f"dependencies: [{{pip: ['{asked}']}}]", "", "")
    )
    assert plan.access.variables == {"TOKEN": "secret-1"}
    assert Channels("", {}, make.folder).plan(Spec("e", YAML, "", "")).access.to_json() == ""
    assert plan.access.hide("it is secret-1") == "it is ***"
    assert "secret" not in repr((plan.yaml, plan.channels, plan.pin))
