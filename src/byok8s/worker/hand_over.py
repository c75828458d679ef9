"""What Snakemake calls for Apptainer: has a command run in the pod's container of the rule's own image.

It is a file of its own, run as a program, and loads little: every command of such a rule pays for its start. The folder
that it lies in is the worker's alone; the one that both containers have is beside that, and read-only in the other.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from time import monotonic_ns

OWN = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(os.path.dirname(OWN), "tool")
KILLED = 137
# of the pod, of Python, or of how S3 is reached
KEPT_BACK = frozenset(
    {"HOME", "LD_LIBRARY_PATH", "OLDPWD", "PATH", "PWD", "SHLVL", "USER", "VIRTUAL_ENV", "_"}
)
KEPT_BACK_PREFIXES = ("AWS_", "BYOK8S_", "KUBERNETES_", "PYTHON", "SNAKEMAKE_")


def main(words: list[str]) -> int:
    """Carry out `exec [--OPTION VALUE]... IMAGE SHELL -c COMMAND`, as Snakemake writes it. Return the exit code."""
    rest = words[words.index("exec") + 1 :]
    folder = home = os.getcwd()
    while rest[0].startswith("--"):
        option, value = rest[:2]
        if option == "--pwd":
            folder = value
        elif option == "--home":
            home = value
        rest = rest[2:]
    image, command = rest[0], rest[1:]
    if image != read("image"):
        print(f"byok8s: this pod has no container of the image {image}", file=sys.stderr)  # noqa: T201
        return 125
    return Run(command, folder, home).wait()


def read(name: str) -> str:
    """Return the content of a file of the worker's."""
    with open(os.path.join(OWN, name), encoding="utf-8") as file:
        return file.read()


def environment(home: str) -> Iterator[tuple[str, str]]:
    """Yield what the workflow and Snakemake have set. All else of this container is none of the other's business."""
    own = set(read("own-variables").split("\n"))
    for name, value in os.environ.items():
        for prefix in ("APPTAINERENV_", "SINGULARITYENV_"):
            if name.startswith(prefix):
                yield name[len(prefix) :], value
        if name not in KEPT_BACK | own and not name.startswith(KEPT_BACK_PREFIXES):
            yield name, value
    yield "HOME", home


class Run:
    """A command under way in the other container."""

    def __init__(self, command: Sequence[str], folder: str, home: str) -> None:
        self.id = f"{os.getpid()}-{monotonic_ns()}"
        self.place = os.path.join(SHARED, self.id)
        os.mkdir(self.place, 0o700)
        one = os.path.sameopenfile(1, 2)
        self.copies = {self.pipe("out"): 1} if one else {self.pipe("out"): 1, self.pipe("err"): 2}
        self.code = self.pipe("code")
        lines = [f"exec >{self.place}/out 2>{'&1' if one else self.place + '/err'}"]
        lines += [f"export {name}={shlex.quote(v)}" for name, v in environment(home) if name.isidentifier()]
        lines += [f"cd {shlex.quote(folder)} || exit 126", f"exec {shlex.join(command)}"]
        with open(f"{self.place}/script", "w", encoding="utf-8", errors="surrogateescape") as script:
            script.write("\n".join(lines) + "\n")
        self.shell = command[0]
        self.requests = os.open(f"{SHARED}/requests", os.O_WRONLY)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask("end TERM"))
        self.ask(f"run {self.id} {shlex.quote(self.shell)}")

    def pipe(self, name: str) -> int:
        os.mkfifo(f"{self.place}/{name}", 0o600)
        return os.open(f"{self.place}/{name}", os.O_RDONLY | os.O_NONBLOCK)

    def ask(self, words: str) -> None:
        os.write(self.requests, f"{words}\n".encode())

    def wait(self) -> int:
        """Copy what it writes until it has ended. Return its exit code, and note what else is known of its end."""
        poll = select.poll()
        for fd in (*self.copies, self.code):
            poll.register(fd, select.POLLIN)
        ended = False
        while not ended:
            ready = [fd for fd, _ in poll.poll()]
            for fd in ready:
                if fd in self.copies and not self.copy(fd):
                    poll.unregister(fd)
            ended = self.code in ready
        told = os.read(self.code, 100).decode(errors="replace").split()
        for fd in (
            self.copies
        ):  # what is written is there; a program left behind that holds the pipe is not waited for
            while self.copy(fd):
                pass
        for entry in os.scandir(self.place):
            os.unlink(entry.path)
        os.rmdir(self.place)
        return self.judge(told)

    def judge(self, told: Sequence[str]) -> int:
        """Return the exit code. told: its number, how often the kernel has killed for memory, the limit in bytes."""
        if told[:1] == ["lacks"]:
            print(f"byok8s: the rule's image has no {self.shell}", file=sys.stderr)  # noqa: T201
            note({"lacks": self.shell})
            return 127
        numbers = [int(word) for word in told if word.isdigit()]
        if not numbers:
            return KILLED
        if numbers[1:2] > [0]:
            note({"ooms": numbers[1], "limit": numbers[2] if numbers[2:] else 0})
        return min(numbers[0], 255)

    def copy(self, fd: int) -> bool:
        """Copy what is there. Return whether there was anything."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        rest = data
        while rest:
            rest = rest[os.write(self.copies[fd], rest) :]
        return bool(data)


def note(found: dict[str, object]) -> None:
    """Leave it for the worker."""
    with open(os.path.join(OWN, "noted"), "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
