"""container: a rule's commands run in its own image, beside the worker, and see nothing of the worker's."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys

import pytest

from byok8s.kube.objects import items, text
from happened import events_of, of_kind
from sandbox import Sandbox
from unpacked import unpacked

IMAGES = os.environ.get("BYOK8S_TEST_TOOL_IMAGES", "")
FILES = {
    "Snakefile": """
envvars: "ASKED_FOR"
container: "docker://DEBIAN"
rule all:
    input: "summary.txt", "script.txt", "plain.txt", "run.txt", "r-busybox.txt", "r-debian.txt", "last.txt", "sum.txt"
rule parts:
    output: "x.txt", directory("folder")
    log: "logs/parts.log"
    benchmark: "parts.tsv"
    threads: 1
    shell: "set -x; cat /etc/tool > {output[0]}; mkdir {output[1]}; seq 30 | split -l 10 - {output[1]}/part-; "
        "echo $ASKED_FOR $OF_IMAGE $OMP_NUM_THREADS $(command -v python3 || echo none) > {log}; (sleep 1000 &)"
rule summary:
    input: "folder", x="x.txt"
    output: "summary.txt"
    container: "docker://BUSYBOX"
    resources: shell_exec="sh"
    shell: "cat {input.x} /etc/tool > {output}; cat {input[0]}/* | sort -rn | md5sum >> {output}"
rule script:
    output: "script.txt"
    params: of={"a": [1, 2]}
    container: "docker://PYTHON"
    script: "scripts/say.py"
rule run:
    output: "run.txt"
    run:
        shell("cat /etc/tool > {output}")
        with open(output[0], "a") as file:
            file.write("and " + shell("cat /etc/tool", read=True))
rule of:
    output: "r-{name}.txt"
    container: "docker://localhost/byok8s/tool-{name}:rig"
    resources: shell_exec="sh"
    shell: "cat /etc/tool > {output}"
rule plain:
    output: "plain.txt"
    container: None
    shell: "(cat /etc/tool || echo none) > {output} 2> /dev/null"
rule first:
    output: temp("first.txt")
    group: "g"
    shell: "cat /etc/tool > {output}"
rule last:
    input: "first.txt"
    output: "last.txt"
    group: "g"
    container: "docker://BUSYBOX"
    resources: shell_exec="sh"
    shell: "cat {input} /etc/tool > {output}"
rule lines:
    output: "lines.txt", touch("done")
    shell: "for n in $(seq 200); do echo \\"$n it's 'so' \\\\$HOME {{}} %\\"; done | grep -v 7 > {output[0]}"
rule sum:
    input: rules.lines.output[0]
    output: "sum.txt"
    params: words="a 'b' \\"c\\" $d"
    shell: "awk '{{n += $1}} END {{print n}}' {input} > {output}; echo {params.words:q} >> {output}; "
        "false | true || echo failed >> {output}"
""",
    "scripts/say.py": "from snakemake.shell import shell\nshell('cat /etc/tool > {snakemake.output}')\n"
    "open(snakemake.output[0], 'a').write(str(snakemake.params.of))\n",
}


@pytest.fixture
def flow(cluster: Sandbox) -> Sandbox:
    if not IMAGES:
        pytest.skip("no images: BYOK8S_TEST_TOOL_IMAGES is not set (the rig's environment has it)")
    cluster.environment["BYOK8S_SOFTWARE"] = "declared"
    return cluster


def of(snakefile: str) -> str:
    for name in ("debian", "busybox", "python", "shellless", "foreign"):
        snakefile = re.sub(rf"\b{name.upper()}\b", IMAGES % name, snakefile)
    return snakefile


def test_rules_run_in_their_own_images(flow: Sandbox) -> None:
    flow.write(FILES | {"Snakefile": of(FILES["Snakefile"])})
    flow.run("-s", "Snakefile", ASKED_FOR="it's")
    numbers = "".join(f"{number}\n" for number in range(30, 0, -1)).encode()
    md5 = hashlib.md5(numbers, usedforsecurity=False).hexdigest()
    assert flow.read("summary.txt") == f"debian\nbusybox\n{md5}  -\n"
    assert flow.read("logs/parts.log") == "it's yes 1 none\n"
    assert flow.read("script.txt") == "python\n{'a': [1, 2]}"
    assert flow.read("run.txt") == "debian\nand debian\n"
    assert (flow.read("r-busybox.txt"), flow.read("r-debian.txt")) == ("busybox\n", "debian\n")
    assert flow.read("plain.txt") == "none\n"
    assert flow.read("last.txt") == "debian\nbusybox\n"
    head, row = (line.split("\t") for line in flow.read("parts.tsv").splitlines())
    assert dict(zip(head, row, strict=True))["max_rss"] == "NA"
    assert flow.names() == []
    assert "Nothing to be done" in flow.run("-s", "Snakefile", ASKED_FOR="it's")

    # the same programs make the same of it at home, without containers
    home = flow.folder.parent / "home"
    home.mkdir()
    (home / "Snakefile").write_text(of(FILES["Snakefile"]))
    plain = [sys.executable, "-m", "snakemake", "--cores", "1", "-q", "--", "sum.txt"]
    subprocess.run(plain, cwd=home, check=True, env=flow.environment | {"ASKED_FOR": ""})
    for name in ("lines.txt", "sum.txt", "done"):
        assert flow.read(name) == (home / name).read_text()
    assert "'so' $HOME {} %" in flow.read("lines.txt")


BAD = """
rule all:
    input: expand("{name}.txt", name=["good", "nowhere", "code", "killed", "memory", "shell", "shellless", "foreign"])
rule good:
    output: "good.txt"
    container: "docker://DEBIAN"
    shell: "cat /etc/tool > {output}"
rule nowhere:
    output: "nowhere.txt"
    container: "docker://localhost/byok8s/not-there:rig"
    shell: "touch {output}"
rule code:
    output: "code.txt"
    container: "docker://DEBIAN"
    shell: "echo its words; touch {output}; exit 42"
rule killed:
    output: "killed.txt"
    container: "docker://DEBIAN"
    shell: "touch {output}; kill -9 $$"
rule memory:
    output: "memory.txt"
    container: "docker://DEBIAN"
    resources: mem_mb=256
    shell: "head -c 600000000 /dev/zero | tail -c 600000000 | wc -c > {output}"
rule shell:
    output: "shell.txt"
    container: "docker://BUSYBOX"
    shell: "touch {output}"
rule shellless:
    output: "shellless.txt"
    container: "docker://SHELLLESS"
    shell: "touch {output}"
rule foreign:
    output: "foreign.txt"
    container: "docker://FOREIGN"
    shell: "touch {output}"
"""
WORDS = {
    "nowhere": ("image-registry-unreachable", "image localhost/byok8s/not-there:rig cannot be pulled"),
    "code": ("exit-code", "Failed: exit code 42"),
    "killed": ("signal", "killed by SIGKILL"),
    "memory": ("out-of-memory", "its container used all of its 256 MB"),
    "shell": ("container-no-shell", "tool-busybox:rig has no bash"),
    "shellless": ("container-no-shell", "tool-shellless:rig has no /bin/sh"),
    "foreign": ("container-platform", "tool-foreign:rig is for another kind of processor"),
}


def test_what_goes_wrong_with_an_image_is_its_rules_alone_and_has_a_name(flow: Sandbox) -> None:
    flow.write({"Snakefile": of(BAD)})
    said = flow.run("-s", "Snakefile", "--", "--keep-going", expect=1)
    told = dict(re.findall(r"Error in rule (\w+):\n(.*?)\n    jobid:", said, re.DOTALL))
    assert told.keys() == WORDS.keys()
    for rule, (slug, words) in WORDS.items():
        assert words in told[rule]
        assert f"byok8s explain {slug}" in told[rule]
    assert "its words" in told["code"]
    assert flow.made() == ["good.txt"]
    assert flow.names() == []


ATTACK = """
rule all:
    input: "seen.txt", "link.txt", "folder"
rule seen:
    output: "seen.txt"
    container: "docker://DEBIAN"
    shell: '''
    (env; cat /proc/*/environ /byok8s/* /var/run/secrets/kubernetes.io/serviceaccount/* /work/bin/*
    find / -xdev -type f -newer /etc/tool -exec cat {{}} +; ls /work/*.sock /work/plugins /work/kept
    echo x > /work/tool/x; rm /work/tool/requests; mv /work/tool/alive /work/tool/y
    grep -E "NoNewPrivs|CapEff|Seccomp:|Uid" /proc/self/status; ls /proc) > {output} 2>&1 || true
    '''
rule link:
    output: "link.txt"
    log: "link.log"
    container: "docker://DEBIAN"
    shell: "ln -s /byok8s/aws-credentials {output}; ln -s /byok8s/aws-credentials {log}"
rule folder:
    output: directory("folder")
    container: "docker://DEBIAN"
    shell: "mkdir {output}; ln -s /proc/1/environ {output}/a"
"""


def test_a_tool_sees_no_keys_and_nothing_of_the_worker(flow: Sandbox) -> None:
    flow.write({"Snakefile": of(ATTACK)})
    key, secret = (flow.environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    said = flow.run("-s", "Snakefile", "--", "--keep-going", expect=1)
    seen = flow.read("seen.txt")
    assert key not in seen
    assert secret not in seen
    assert "/work/plugins': No such file" in seen
    assert seen.count("Read-only file system") >= 2
    assert "Uid:\t1000" in seen
    assert "CapEff:\t0000000000000000" in seen
    assert "NoNewPrivs:\t1" in seen
    assert "link.txt leads out of the job's folder" in said
    assert "folder/a leads out of the job's folder" in said
    here = [path.read_bytes() for path in flow.folder.rglob("*") if path.is_file()]
    kept = [unpacked(flow.content(key)) for key in flow.kept()]
    assert not any(secret.encode() in content for content in [*here, *kept])


def test_ctrl_c_ends_both_containers(flow: Sandbox) -> None:
    rule = (
        "rule a:\n    output: 'a'\n    container: 'docker://DEBIAN'\n    resources: mem_mb=800\n    shell: "
    )
    flow.write({"Snakefile": of(rule) + '\'trap "" TERM; echo be""gun; sleep 1000\'\n'})
    run = flow.start("-s", "Snakefile")
    flow.await_log("begun")
    (pod,) = flow.objects("pods")
    _, tool = items(pod, "spec", "containers")
    assert text(tool, "image") == IMAGES % "debian"
    assert text(tool, "resources", "limits", "memory") == "800M"
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert flow.names() == flow.made() == []


ONE_AFTER_ANOTHER = """
rule all:
    input: expand("{n}.txt", n=range(5))
rule each:
    output: "{n}.txt"
    container: "docker://DEBIAN"
    shell: '''
    (ls -d /work/jobs/*; ls -A /tmp /dev/shm; cat /proc/[0-9]*/comm | grep -x sleep || echo none) > {output}
    touch /tmp/left /dev/shm/left ~/left /work/jobs/left; trap "" TERM HUP; (setsid sleep 1000 > /dev/null 2>&1 &)
    '''
"""


def test_jobs_of_one_image_share_a_container_and_nothing_of_one_reaches_the_next(flow: Sandbox) -> None:
    flow.write({"Snakefile": of(ONE_AFTER_ANOTHER)})
    flow.run("-s", "Snakefile", "--jobs", "1")
    said = [flow.read(f"{number}.txt") for number in range(5)]
    jobs = {line for seen in said for line in seen.splitlines() if line.startswith("/work/jobs/")}
    assert len(jobs) == 5
    for seen in said:
        assert seen.count("/work/jobs/") == 1
        assert "left" not in seen
        assert "sleep" not in seen
        assert "none" in seen
    ends = of_kind(events_of(flow.folder), "job.ended")
    assert len({end["pod"] for end in ends if end.get("pod")}) == 1
    (started,) = of_kind(events_of(flow.folder), "worker.started")
    images = started["images"]
    assert isinstance(images, dict)
    assert images.keys() == {flow.environment["BYOK8S_IMAGE"], IMAGES % "debian"}
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in images.values())
    assert flow.names() == []


WRAPPED = """
rule wrapped:
    output: "out.txt"
    log: "out.log"
    params: end="!"
    container: "docker://PYTHON"
    wrapper: "v1/say"
"""
WRAPPERS = {
    "wrappers/v1/say/wrapper.py": "import pathlib, sys\nfrom snakemake.shell import shell\n"
    "sys.path.insert(0, str(pathlib.Path(__file__).parent))\nfrom helper import word\n"
    "log = snakemake.log_fmt_shell(stdout=False)\n"
    "shell('(cat /etc/tool > {snakemake.output}; echo {word}{snakemake.params.end} >> {snakemake.output}; "
    "echo said >&2) {log}')\n",
    "wrappers/v1/say/helper.py": "word = 'beside it'\n",
}


def test_a_wrapper_runs_in_the_image_of_its_rule(flow: Sandbox) -> None:
    flow.write({"Snakefile": of(WRAPPED), **WRAPPERS})
    prefix = ("--wrapper-prefix", f"file://{flow.folder}/wrappers/")
    flow.run("-s", "Snakefile", "--", "--sdm", "apptainer", *prefix)
    assert flow.read("out.txt") == "python\nbeside it!\n"
    assert flow.read("out.log") == "said\n"
