"""`python worker.pyz one PRECOMMAND [LOG...] -- ARGUMENTS`, `python worker.pyz serve` or `python worker.pyz talk`.

one: run one job, for a pod of its own; its result is left in the container's termination message, so that it
reaches the controller with the pod's status. serve: be a worker, for many jobs, one after another. talk: be the
near end of the stream to a worker that serves, for `kubectl exec` and its like. probe: look around, for
`byok8s doctor`.
"""

from __future__ import annotations

import select
import signal
import sys

from byok8s.worker import folder, last_word, sections
from byok8s.worker.job import Job, Order


def main() -> int:
    match sys.argv[1:]:
        case ["one", precommand, *rest] if "--" in rest:
            logs, arguments = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
            return one(Order("job", tuple(arguments), precommand, logs=tuple(logs)))
        case ["serve"]:
            from byok8s.worker.server import serve

            return serve()
        case ["talk"]:
            from byok8s.worker.talk import talk

            return talk()
        case ["probe", bucket, key]:
            from byok8s.worker import probe

            return probe.main(bucket, key)
    print(__doc__, file=sys.stderr)  # noqa: T201
    return 2


def one(order: Order) -> int:
    job = Job(order, folder.make(order.job, folder.bring_plugins()))
    signal.signal(signal.SIGTERM, lambda *_: job.end_with_pod())
    while not job.output_is_over():
        if not select.select([job.output], [], [], 1.0)[0]:
            continue
        if not (data := job.read()):
            break
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    result = job.result()
    sections.write_files(sys.stdout.buffer, job.folder, order.logs)
    last_word.leave(result)
    return result.code


if __name__ == "__main__":
    sys.exit(main())
