"""`python worker.pyz one BUCKET KEY`, `python worker.pyz serve` or `python worker.pyz talk`.

one: run the one job that the object in the bucket describes, for a pod of its own; its result is left in the
container's termination message, so that it
reaches the controller with the pod's status. serve: be a worker, for many jobs, one after another. talk: be the
near end of the stream to a worker that serves, for `kubectl exec` and its like. environment: make a conda
environment. probe: look around, for `byok8s doctor`.
"""

from __future__ import annotations

import select
import signal
import sys
from typing import NoReturn

from byok8s.worker import job_folder, sections, termination, tool
from byok8s.worker.confined import Confined, anywhere
from byok8s.worker.job import Job
from byok8s.worker.measured import Disks
from byok8s.worker.memory import LOOK_SECONDS


def main() -> int:
    match sys.argv[1:]:
        case ["one", bucket, key]:
            return one(bucket, key)
        case ["serve"]:
            from byok8s.worker.server import serve

            return serve()
        case ["talk"]:
            from byok8s.worker.relay import relay

            return relay()
        case ["environment", wanted]:
            environment(wanted)
        case ["probe", bucket, key]:
            from byok8s.worker import probe

            return probe.main(bucket, key)
    print(__doc__, file=sys.stderr)  # noqa: T201
    return 2


def one(bucket: str, key: str) -> int:
    sys.path.append(str(job_folder.bring_plugins()))
    other = tool.opened()
    from byok8s.worker.workplace import Workplace, read_run

    workplace = Workplace(read_run(), many=False)
    order = workplace.order(bucket, key)
    root = job_folder.make(order.job)
    job = Job(order, root, workplace.begin(order, root), Disks(), other)
    signal.signal(signal.SIGTERM, lambda *_: job.end_with_pod())
    while not job.output_is_over():
        job.look_at_memory()
        if not select.select([job.output], [], [], LOOK_SECONDS)[0]:
            if job.look_at_tool():
                break
            continue
        if not (data := job.read()):
            break
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    result = job.result()
    if other:
        other.quit()
    open_ = Confined(job.folder).open if other else anywhere
    sections.write_files(sys.stdout.buffer, job.folder, order.logs, open_)
    termination.leave(result)
    return result.code


def environment(word: str) -> NoReturn:
    """Make the conda environment that a word describes, and leave what became of it."""
    sys.path.append(str(job_folder.bring_plugins()))
    from byok8s.worker import environment as maker
    from byok8s.worker import installation

    result = maker.attempt(word)
    termination.leave(result)
    installation.end(result.code)


if __name__ == "__main__":
    sys.exit(main())
