"""What Snakemake calls for Apptainer: has a command run in the pod's container of the rule's own image.

It is a file of its own, run as a program, and loads little: every command of such a rule pays for its start. The folder
that it lies in is the worker's alone; the one that both containers have is beside that, and read-only in the other.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` loads enums: a third of the start of this
import os
import select
import sys
from time import monotonic_ns

TYPE_CHECKING = False  # `typing` takes long to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OWN = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(os.path.dirname(OWN), "tool")
KILLED = 137
# of the pod, of Python, or of how S3 is reached
KEPT_BACK = frozenset(
    {"HOME", "LD_LIBRARY_PATH", "OLDPWD", "PATH", "PWD", "SHLVL", "USER", "VIRTUAL_ENV", "_"}
)
KEPT_BACK_PREFIXES = ("AWS_", "BYOK8S_", "KUBERNETES_", "PYTHON", "SNAKEMAKE_")
REFUSED = 125
SEARCHPATHS = "/mnt/snakemake_searchpaths/"  # where both have what a Python script loads of Snakemake


class Refused(Exception):
    """Says what of a command is not translated, rather than doing without."""


def main(words: list[str]) -> int:
    """Carry out `exec [--OPTION VALUE]... IMAGE SHELL -c COMMAND`, as Snakemake or its plugin writes it.

    Return the exit code.
    """
    try:
        options, command = parsed(words)
    except Refused as error:
        print(f"byok8s: {error}", file=sys.stderr)  # noqa: T201
        return REFUSED
    return Run(command, options).wait()


class Options:
    """Where a command runs, and what it is given of variables."""

    def __init__(self) -> None:
        self.folder = self.home = os.getcwd()
        self.variables: dict[str, str] = {}

    def take(self, option: str, value: str) -> None:
        """Translate one of Apptainer's. Raises Refused."""
        if option in {"--pwd", "--cwd"}:
            self.folder = value
        elif option == "--home":
            self.home = value
        elif option == "--env":
            self._take_variables(value)
        elif option == "--bind":
            _check_mount(value)
        else:
            raise Refused(f"pods have no Apptainer, and nothing that stands for its option {option}")

    def _take_variables(self, value: str) -> None:
        name = ""
        for each in value.split(","):
            before = name
            name, found, content = each.partition("=")
            if not found:  # what it is may be secret
                raise Refused(f"--env separates variables by commas, and the value of {before} has one")
            self.variables[name] = content


def _check_mount(value: str) -> None:
    """Raise Refused for a folder that is not in the pod, or is to be elsewhere than in the worker's container."""
    source, _, target = value.partition(":")
    target = target.partition(":")[0] or source
    if target.startswith(SEARCHPATHS):
        return
    if target != source:
        raise Refused(f"containers of a pod cannot have {source} at {target} (--bind)")
    if not os.path.exists(source):
        raise Refused(f"this pod has no {source} (--bind)")


def parsed(words: list[str]) -> tuple[Options, list[str]]:
    """Return the options and the command. Raises Refused."""
    while words[:1] in (["--quiet"], ["--silent"]):
        words = words[1:]
    if words[:1] != ["exec"]:
        raise Refused(f"pods have no Apptainer, which `{' '.join(words[:1])}` is for")
    options, rest = Options(), words[1:]
    while len(rest) > 1 and rest[0].startswith("-"):
        options.take(*rest[:2])
        rest = rest[2:]
    if not rest[1:]:
        raise Refused("there is no command after the image")
    image, *command = rest
    scheme, found, name = image.partition("://")
    if found and scheme != "docker":
        raise Refused(f"nodes take no images by {scheme}://")
    image = whole_name(name) if found else image
    if image != read("image"):
        raise Refused(f"this pod has no container of the image {image}")
    return options, command


def whole_name(name: str) -> str:
    """Return an image's name with its registry: what a short one means is a node's own affair."""
    first, slash, _ = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def read(name: str) -> str:
    """Return the content of a file of the worker's."""
    with open(os.path.join(OWN, name), encoding="utf-8") as file:
        return file.read()


def environment(options: Options) -> Iterator[tuple[str, str]]:
    """Yield what the workflow and Snakemake have set. All else of this container is none of the other's business."""
    own = set(read("own-variables").split("\n"))
    for name, value in os.environ.items():
        for prefix in ("APPTAINERENV_", "SINGULARITYENV_"):
            if name.startswith(prefix):
                yield name[len(prefix) :], value
        if name not in own and is_the_workflows(name):
            yield name, value
    for name, value in options.variables.items():
        if is_the_workflows(name):
            yield name, value
    yield "HOME", options.home


def is_the_workflows(name: str) -> bool:
    """Return whether a workflow may set a variable of the other container."""
    return name not in KEPT_BACK and not name.startswith(KEPT_BACK_PREFIXES)


def quoted(word: str) -> str:
    """Return a word of a shell's; shlex does it too, and takes long to load."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


class Run:
    """A command under way in the other container."""

    def __init__(self, command: Sequence[str], options: Options) -> None:
        self.id = f"{os.getpid()}-{monotonic_ns()}"
        self.place = os.path.join(SHARED, self.id)
        os.mkdir(self.place, 0o700)
        one = os.path.sameopenfile(1, 2)
        self.copies = {self.pipe("out"): 1} if one else {self.pipe("out"): 1, self.pipe("err"): 2}
        self.code = self.pipe("code")
        lines = [f"exec >{self.place}/out 2>{'&1' if one else self.place + '/err'}"]
        lines += [f"export {name}={quoted(v)}" for name, v in environment(options) if name.isidentifier()]
        lines += [f"cd {quoted(options.folder)} || exit 126", f"exec {' '.join(map(quoted, command))}"]
        with open(f"{self.place}/script", "w", encoding="utf-8", errors="surrogateescape") as script:
            script.write("\n".join(lines) + "\n")
        self.shell = command[0]
        self.requests = os.open(f"{SHARED}/requests", os.O_WRONLY)
        for number in (_signal.SIGTERM, _signal.SIGINT):
            _signal.signal(number, lambda *_: self.ask("end TERM"))
        self.ask(f"run {self.id} {self.shell}")

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
    import json  # takes long to load, and is seldom wanted

    with open(os.path.join(OWN, "noted"), "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
