"""Boto's descriptions of S3, read once in a process and in all that are forked from it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session


def share_descriptions(session: Session) -> None:
    """Have a session use what others of this process have read already.

    Boto reads 2 MB of JSON for a client, which takes it 60 ms, unless it has read them in the same session.
    """
    session.register_component("data_loader", _loader())


@cache
def _loader() -> Loader:
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))
