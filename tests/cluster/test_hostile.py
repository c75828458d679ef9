"""A job that means harm to the worker that runs it, and to the job that comes next in the same pod."""

from __future__ import annotations

import json
import subprocess

import pytest

from happened import events_of, of_kind
from sandbox import Sandbox

# A chain that keeps forking, in sessions of its own, and spoils whatever a later job makes; what is left lying in every
# place that can be written to; and what the worker and its stream do not let a job see
HOSTILE = r"""
import ctypes, json, os, socket, subprocess, sys, time

def chain():
    if os.fork():
        return
    os.setsid()
    for fd in (0, 1, 2):
        os.close(fd)
    end = time.time() + 30
    while time.time() < end:
        for root, _, names in os.walk("/work/jobs"):
            for name in names:
                if name == "seen.json":
                    with open(os.path.join(root, name), "a") as file:
                        file.write("spoilt")
        time.sleep(0.002)
        if os.fork():
            os._exit(0)

def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "done"

def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]

def words(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read()
    except OSError:
        return ""

def command_worker():
    stream = socket.socket(socket.AF_UNIX)
    stream.connect("/work/worker.sock")
    stream.settimeout(3)
    stream.sendall(b'{"do": "ping"}\n')
    assert stream.recv(100)

talks = [pid for pid in pids() if words(pid).endswith("talk\0")]
tries = {
    "memory of the worker": attempt(lambda: open("/proc/1/mem", "rb")),
    "what the worker has open": attempt(lambda: os.listdir("/proc/1/fd")),
    "the worker's socket": attempt(command_worker),
}
for pid in talks:
    tries["the stream"] = attempt(lambda: open(f"/proc/{pid}/fd/1", "wb"))
places = ["/work/left", "/tmp/left", "/var/tmp/left", "/dev/shm/left", "/dev/mqueue/left"]
tries["places"] = {place: attempt(lambda place=place: open(place, "w").close()) for place in places}
os.mkdir("/work/closed")
os.chmod("/work/closed", 0)
libc = ctypes.CDLL(None)
tries["ipc"] = [libc.shmget(77, 4096, 0o1666) >= 0, libc.semget(77, 1, 0o1666) >= 0, libc.msgget(77, 0o1666) >= 0]
for _ in range(3):
    chain()
json.dump(tries, open(sys.argv[1], "w"))
"""
NEXT = r"""
import json, os, sys, time
found = {place: sorted(os.listdir(place)) for place in ("/work", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")}
found["ipc"] = [len(open(f"/proc/sysvipc/{table}").readlines()) - 1 for table in ("shm", "sem", "msg")]
json.dump(found, open(sys.argv[1], "w"))
time.sleep(3)  # for what spoils it
"""
SNAKEFILE = """
rule next:
    input: 'tries.json'
    output: 'seen.json'
    shell: 'python next.py {output}'
rule hostile:
    output: 'tries.json'
    shell: 'python hostile.py {output}'
"""
FILES = {
    "Snakefile": SNAKEFILE.replace("python ", "python scripts/"),
    "scripts/hostile.py": HOSTILE,
    "scripts/next.py": NEXT,
    "wf.json": '{"workflow_target": "seen.json"}',
    "params.json": "{}",
}


def write(cluster: Sandbox, **more: str) -> None:
    """Write the workflow into a git repository: so scripts that no rule names reach pods."""
    cluster.write({**FILES, **more})
    for command in ("init -q", "add -A"):
        subprocess.run(["git", *command.split()], cwd=cluster.folder, check=True)


def pods(cluster: Sandbox) -> dict[str, str]:
    events = events_of(cluster.folder)
    rules = {event["id"]: event["rule"] for event in of_kind(events, "job.given")}
    return {str(rules[event["id"]]): str(event["pod"]) for event in of_kind(events, "job.ended")}


@pytest.mark.timeout(200)
def test_nothing_of_a_hostile_job_reaches_the_next(cluster: Sandbox) -> None:
    write(cluster)
    cluster.run("wf", "params", "--jobs", "1")
    tries, seen = json.loads(cluster.read("tries.json")), json.loads(cluster.read("seen.json"))
    assert tries["memory of the worker"] == "PermissionError"
    assert tries["what the worker has open"] == "PermissionError"
    assert tries["the stream"] == "PermissionError"
    assert tries["the worker's socket"] in {"AssertionError", "BrokenPipeError", "ConnectionResetError"}
    assert set(tries["places"].values()) == {"done"}, "a place that it could not even write to shows nothing"
    assert tries["ipc"] == [True, True, True]
    assert "left" not in [name for found in list(seen.values())[:-1] for name in found]
    assert "closed" not in seen["/work"]
    assert seen["ipc"] == [0, 0, 0]
    assert pods(cluster)["hostile"] == pods(cluster)["next"], "else nothing was shown"
    assert cluster.names() == []


@pytest.mark.timeout(200)
def test_a_worker_whose_plugins_were_changed_is_not_used_again(cluster: Sandbox) -> None:
    """They are of its own user, so a job can change them: what a later job would import."""
    spoil = 'import os, sys\nopen("/work/plugins/sitecustomize.py", "w").close()\nopen(sys.argv[1], "w").write("{}")\n'
    write(cluster, **{"scripts/hostile.py": spoil})
    cluster.run("wf", "params", "--jobs", "1")
    assert json.loads(cluster.read("seen.json"))
    assert pods(cluster)["hostile"] != pods(cluster)["next"]
    assert cluster.names() == []
