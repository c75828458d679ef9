"""What all of our boto clients have in common.

Boto's descriptions of S3 are read once in a process and in all that are forked from it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from botocore.loaders import Loader
    from botocore.session import Session

SENT_AT_ONCE_BYTES: Final = 1024 * 1024


def quicken(session: Session) -> None:
    """Have a session use what others of this process have read already, read times sooner, and sign in Python.

    Boto reads 2 MB of JSON for a client, which takes it 60 ms, unless it has read them in the same session. Of what it
    does for a listing half is to read the objects' times.
    """
    from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth

    # with awscrt installed boto would sign by that: slower where bodies are part of the signature, and with other
    # requests than those that were tested
    AUTH_TYPE_MAPS["s3v4"] = S3SigV4Auth
    session.register_component("data_loader", _loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)


def _time(value: str | float) -> datetime:
    """Return a time that S3 tells. Boto knows of more forms."""
    if isinstance(value, str):
        with suppress(ValueError):
            found = datetime.fromisoformat(value)
            if found.tzinfo:
                return found
    from botocore.utils import parse_timestamp

    by_boto: datetime = parse_timestamp(value)
    return by_boto


def send_small_at_once(params: dict[str, Any], **_: object) -> None:
    """Send a small object without asking first whether the server takes it, which costs the time of another request.

    To be registered for a client's event `before-call.s3`.
    """
    from botocore.utils import determine_content_length

    if "Expect" in params["headers"]:
        length = determine_content_length(params["body"])
        if length is not None and length <= SENT_AT_ONCE_BYTES:
            del params["headers"]["Expect"]


@cache
def transfers() -> TransferConfig:
    """Return how boto is to move a file by itself: what its upload_file, download_file and copy take as Config.

    With awscrt installed it would leave that to it on some of Amazon's machines, and ask AWS, whatever the client's
    server is: https://github.com/boto/boto3/issues/4839.
    """
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(preferred_transfer_client="classic")


class _Whatever(list[str]):
    """The services that there are. Boto would look into 400 folders first, for each kind of description.

    Of one that is not there it finds no description then, and says so.
    """

    def __contains__(self, _: object) -> bool:
        return True


@cache
def _loader() -> Loader:
    from botocore.loaders import create_loader

    loader = create_loader(os.environ.get("AWS_DATA_PATH"))
    loader.list_available_services = lambda *_, **__: _Whatever()
    return loader
