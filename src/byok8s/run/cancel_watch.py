"""What a controller does when somebody asks for the end of its run by an object in its bucket."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from byok8s import s3
from byok8s.errors import BucketError
from byok8s.locks.heartbeat import beating

NAME: Final = "cancel"  # below the run's record; it holds who asks
LOOK_SECONDS: Final = 10.0
MOST_CHARACTERS: Final = 200


def watched(
    bucket: s3.Bucket, under: str, warn: Callable[[str], None], *, resumed: bool, every: float = LOOK_SECONDS
) -> AbstractContextManager[None]:
    """End this run, as Ctrl-C would, once somebody asks for it in its bucket.

    under: the run's record, below the bucket's prefix. warn: is told who has asked. resumed: whether the run is one
    whose controller was killed: what was meant for that one counts no more. every: seconds between looks.
    """
    watch = _Watch(bucket, f"{under}/{NAME}", warn, resumed=resumed)
    return beating(watch.look, every, first=0.0 if resumed else every)


class _Watch:
    def __init__(self, bucket: s3.Bucket, key: str, warn: Callable[[str], None], *, resumed: bool) -> None:
        self._bucket, self._key, self._warn = bucket, key, warn
        self._may_be_old = resumed

    def look(self) -> None:
        try:
            asked = s3.take(self._bucket, self._key)
        except BucketError:
            return  # the bucket is away, as jobs will tell
        is_old, self._may_be_old = self._may_be_old, False
        if asked is not None and not is_old:
            self._warn(f"The run ends: {asked.decode(errors='replace')[:MOST_CHARACTERS]} has cancelled it.")
            os.kill(os.getpid(), signal.SIGINT)
