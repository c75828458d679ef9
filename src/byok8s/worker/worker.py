"""Runs one Snakemake job in a pod: `python worker.py [--precommand COMMAND] -- SNAKEMAKE-ARGUMENTS`.

It lies beside the run's files, read-only: the archive of the workflow's sources, the storage plugin, and the
libraries that the plugin needs, for images that have Snakemake but no S3 client. It puts them in place,
forks, lets the child be Snakemake, passes the child's output on, and leaves what became of the job in the
container's termination message, so that it reaches the controller with the pod's status.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections import deque
from pathlib import Path

FILES = Path(__file__).resolve().parent
WORK = Path(os.environ.get("BYOK8S_WORK", "/work"))
TERMINATION_LOG = Path("/dev/termination-log")
TERMINATION_LOG_BYTES = 4096  # Kubernetes' limit for one container
KEPT_LINES = 30
LONGEST_LINE_BYTES = 64 * 1024  # what is longer is passed on in pieces, so that no output fills the memory
GRACE_SECONDS = 3.0
# Snakemake looks here for plugins that were brought to a job (snakemake.PIP_DEPLOYMENTS_PATH)
PLUGINS = ".snakemake/pip-deployments"
# Snakemake exits with 1 whatever the code of the command that failed, and names that code in its last words
EXIT_STATUS = re.compile(r"returned non-zero exit status (\d+)")
EXIT_SIGNAL = re.compile(r"died with <Signals\.(SIG\w+): (\d+)>")
SIGNAL_BASE = 128  # the shell's way to tell of a signal in an exit code


def main() -> int:
    split = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--precommand", default="")
    arguments = parser.parse_args(sys.argv[1:split])
    folder = WORK / "job"
    prepare(folder)
    if arguments.precommand:
        code = subprocess.call(["/bin/sh", "-c", arguments.precommand], cwd=folder)
        if code:
            return leave_word(code, f"the precommand ended with exit code {code}", [])
    return Job(folder, sys.argv[split + 1 :]).run()


def prepare(folder: Path) -> None:
    """Make `folder` the working folder that the job would have on the user's machine."""
    folder.mkdir(parents=True)
    (WORK / "home").mkdir()
    unpack("sources", folder)
    plugins = folder / PLUGINS
    plugin = plugins / "snakemake_storage_plugin_byok8s"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_bytes((FILES / "storage_plugin.py").read_bytes())
    if importlib.util.find_spec("snakemake_storage_plugin_s3") is None:
        unpack("libraries", plugins)


def unpack(name: str, folder: Path) -> None:
    """Unpack an archive that lies in numbered parts, each small enough for a ConfigMap."""
    parts = sorted(FILES.glob(f"{name}.[0-9]*"))
    whole = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=whole) as archive:
        archive.extractall(folder)  # noqa: S202 - made by byok8s itself a moment ago


class Job:
    """A child process that is Snakemake, in a process group of its own."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder, self.arguments = folder, arguments
        self.last: deque[str] = deque(maxlen=KEPT_LINES)
        self.code: int | None = None
        self.signal = ""
        self.terminated = False

    def run(self) -> int:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            be_snakemake(self.folder, self.arguments, writing)
        os.close(writing)
        signal.signal(signal.SIGTERM, lambda *_: self.end(pid))
        self.pass_on(reading)
        _, status = os.waitpid(pid, 0)
        kill_group(pid, signal.SIGKILL)
        return self.report(os.waitstatus_to_exitcode(status))

    def end(self, pid: int) -> None:
        self.terminated = True
        kill_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
        kill_group(pid, signal.SIGKILL)

    def pass_on(self, reading: int) -> None:
        with open(reading, "rb", buffering=0) as stream, io.BufferedReader(stream) as lines:
            while raw := lines.readline(LONGEST_LINE_BYTES):
                sys.stdout.buffer.write(raw)
                sys.stdout.buffer.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                self.last.append(line)
                if found := EXIT_STATUS.search(line):
                    self.code, self.signal = int(found[1]), ""
                elif found := EXIT_SIGNAL.search(line):
                    self.code, self.signal = SIGNAL_BASE + int(found[2]), found[1]

    def report(self, exit_code: int) -> int:
        if exit_code == 0:
            return 0
        if self.terminated:
            return leave_word(SIGNAL_BASE + signal.SIGTERM, "its pod was told to end", list(self.last))
        if exit_code < 0:
            name = signal.Signals(-exit_code).name
            return leave_word(SIGNAL_BASE - exit_code, f"Snakemake was killed by {name}", list(self.last))
        if self.signal:
            return leave_word(self.code or exit_code, f"killed by {self.signal}", list(self.last))
        code = self.code or exit_code
        return leave_word(code, f"exit code {code}", list(self.last))


def be_snakemake(folder: Path, arguments: list[str], output: int) -> None:
    """The child: never returns."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for wanted, fd in enumerate((nothing, output, output)):
            os.dup2(fd, wanted)
        os.close(output)
        os.chdir(folder)
        sys.path.insert(0, "")
        sys.argv = ["snakemake", *arguments]
        from snakemake.cli import main as snakemake

        snakemake(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the process ends here, and the traceback is what tells why
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def leave_word(code: int, why: str, last_lines: list[str]) -> int:
    """Write the termination message: as many of the last lines as fit, the newest first to be kept."""
    while True:
        word = json.dumps({"why": why, "last_lines": "\n".join(last_lines)})
        if len(word.encode()) <= TERMINATION_LOG_BYTES or not last_lines:
            break
        last_lines = last_lines[1:]
    TERMINATION_LOG.write_text(word[:TERMINATION_LOG_BYTES])
    return code


def kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main())
