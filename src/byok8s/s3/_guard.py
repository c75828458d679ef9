"""Runs the program in its arguments until that ends or until standard input does.

Standard input is a pipe whose other end only the process that started this one holds. The kernel closes it
however that process ends, kill -9 included, on every POSIX system; Linux's PR_SET_PDEATHSIG would do less: it
fires when the thread that forked ends. This file is run by its path, with nothing of byok8s importable.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_PATIENCE_S = 5.0


def _stop(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        program.kill()


def _stop_when_alone(program: subprocess.Popen[bytes]) -> None:
    # not sys.stdin, whose lock a waiting read would hold when the interpreter ends
    os.read(0, 1)
    _stop(program)


def main(command: list[str]) -> int:
    # close_fds=False: the program inherits the lock on its data (see embedded.py), which lasts as long as it
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_stop_when_alone, args=(program,), daemon=True).start()
    return program.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
