"""A short way for the two requests of which there are thousands: GET and PUT of objects, and GET of parts of them.

Most of what such a request costs here is work of boto's that comes to the same each time: rules of endpoints, hooks,
models. So the first of its kind goes by boto, and what it is about to send is a model for those that follow, which wait
for that, and not for the answer. They are signed with the client's credentials, and sent by the client's own
connections, with its proxies, certificates and times. A model that does not give the very request that it was taken
from, with the same signature, is not used. Many small objects take a shorter way yet if the Common Runtime is there.

An answer that is no success, or an error, is given to boto as that of its own first attempt: so there is one place that
tries again, waits, renews credentials and knows words, and no request is made twice for that. One that is forbidden is:
if its signature was why, boto's may be right.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody
from botocore.utils import parse_timestamp

from snakemake_storage_plugin_byok8s import signature
from snakemake_storage_plugin_byok8s.model import GET, KNOWN, META, OPERATIONS, PUT, Model
from snakemake_storage_plugin_byok8s.runtime import Came, CommonRuntime, CommonRuntimes, UnderWay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.credentials import Credentials, ReadOnlyCredentials

T = TypeVar("T")

_FORBIDDEN: Final = 403
_TOLD: Final = {"etag": "ETag", "x-amz-server-side-encryption": "ServerSideEncryption"}


@dataclass
class _Call:
    """A call of boto's. came: what is its first answer, or error. sent: what it has sent last.

    learn: takes the first that it is about to send for a model. turn: is held until then, as no other need go by boto.
    """

    came: AWSResponse | BotoCoreError | None
    learn: Callable[[AWSPreparedRequest], None]
    turn: threading.Lock | None = None
    sent: AWSPreparedRequest | None = None

    def end_turn(self) -> None:
        """Let others be made, if they waited for this."""
        turn, self.turn = self.turn, None
        if turn:
            turn.release()


class Shortcut:
    """Of one client, in all of its threads.

    credentials: those that the client signs with. answered: is called with each success that boto does not see.
    common_runtime: whether the Common Runtime may be used, whose threads do not outlive a fork.
    """

    def __init__(
        self,
        client: Any,
        credentials: Callable[[], Credentials],
        answered: Callable[[], None],
        *,
        common_runtime: bool = False,
    ) -> None:
        self._client, self._credentials, self._answered = client, credentials, answered
        self._runtimes = CommonRuntimes() if common_runtime else None
        # private, as nothing else has all that was set of connections; a botocore without it does all by itself
        self._session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
        self._models: dict[tuple[str, str], Model] = {}
        self._turns: dict[tuple[str, str], threading.Lock] = {}
        self._here = threading.local()
        for operation in OPERATIONS:
            client.meta.events.register(f"before-send.s3.{operation}", self._before_send)

    def get_object(self, **request: str) -> Mapping[str, Any]:
        """Do as boto's get_object. request: as that takes it; the short way knows of Bucket, Key, IfMatch and Range."""
        return self._ask(GET, self._client.get_object, request)

    def put_object(self, **request: str | bytes | Mapping[str, str]) -> Mapping[str, Any]:
        """Do the same for put_object, of Bucket, Key, Body, which is in bytes, Metadata and ContentMD5."""
        return self._ask(PUT, self._client.put_object, request)

    def has_many(self) -> bool:
        """Return whether get_objects and put_objects may do something."""
        return bool(self._runtimes and self._session and find_spec("awscrt"))

    def knows(self, operation: str, bucket: str) -> bool:
        """Return whether there is a model for requests of this kind, without which they do nothing yet."""
        return (operation, bucket) in self._models

    def get_objects(
        self, asked: Iterable[tuple[T, Mapping[str, Any]]]
    ) -> Iterator[tuple[T, Mapping[str, Any] | None]]:
        """Have many small objects come at once: yield an answer with what it is for, as they come.

        asked: pairs of something, and a request for it as get_object takes it. An answer is None for what is to be
        asked for by get_object: it has failed; or the Common Runtime, which alone does this, is not there.
        """
        return self._each(GET, asked)

    def put_objects(
        self, asked: Iterable[tuple[T, Mapping[str, Any]]]
    ) -> Iterator[tuple[T, Mapping[str, Any] | None]]:
        """Do the same for put_object."""
        return self._each(PUT, asked)

    def _each(
        self, operation: str, asked: Iterable[tuple[T, Mapping[str, Any]]]
    ) -> Iterator[tuple[T, Mapping[str, Any] | None]]:
        under_way = UnderWay[T]()
        try:
            for item, request in asked:
                if not self._has_begun(under_way, item, operation, request):
                    yield item, None
                elif under_way.is_full():
                    yield self._answer(*under_way.take())
            while under_way:
                yield self._answer(*under_way.take())
        finally:
            under_way.cancel()

    def _has_begun(self, under_way: UnderWay[T], item: T, operation: str, request: Mapping[str, Any]) -> bool:
        model = self._models.get((operation, request["Bucket"]))
        if not (model and (runtime := self._runtime(model))):
            return False
        try:
            keys = self._keys()
        except BotoCoreError:  # which boto has words for
            return False
        under_way.begin(item, runtime, model.asked(request), keys)
        return True

    def _answer(self, item: T, came: Came | None) -> tuple[T, Mapping[str, Any] | None]:
        if came is None:
            return item, None
        self._answered()
        return item, _parsed(came.headers, came.body)

    def _ask(
        self, operation: str, by_boto: Callable[..., Mapping[str, Any]], request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if not self._session or not request.keys() <= KNOWN:
            return by_boto(**request)
        kind = (operation, request["Bucket"])
        model, turn = self._model_or_turn(kind)
        came = self._send(model, request) if model else None
        if came is not None and not isinstance(came, BotoCoreError):
            if _is_success(came, operation):
                self._answered()
                return _parsed({name.lower(): value for name, value in came.headers.items()}, came.raw)
            if came.status_code == _FORBIDDEN:
                came.raw.drain_conn()  # so that the connection serves again
                came = None
        self._models.pop(kind, None)  # it may be why
        call = self._here.call = _Call(came, lambda sent: self._learn(sent, operation, request), turn)
        try:
            answer = by_boto(**request)
        finally:
            del self._here.call
            call.end_turn()
        if call.sent:
            call.learn(call.sent)
        return answer

    def _model_or_turn(self, kind: tuple[str, str]) -> tuple[Model | None, threading.Lock | None]:
        """Return the model of a kind of request; if there is none, what whoever makes the first of them holds."""
        if model := self._models.get(kind):
            return model, None
        turn = self._turns.setdefault(kind, threading.Lock())
        turn.acquire()
        if model := self._models.get(kind):
            turn.release()
            return model, None
        return None, turn

    def _learn(self, sent: AWSPreparedRequest, operation: str, request: Mapping[str, Any]) -> None:
        """Take what boto has sent for a model, if the same can be made of it again."""
        model = Model.of(operation, sent, request["Key"])
        with suppress(BotoCoreError):  # of credentials, which had been good for what was sent
            if model and model.gives(sent, request, self._keys()):
                self._models[operation, request["Bucket"]] = model

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        """Answer boto when it is about to send, in place of the server, with what came already."""
        call: _Call | None = getattr(self._here, "call", None)
        if call is None:
            return None
        call.sent = request
        if call.turn:
            call.learn(request)
            call.end_turn()
        came, call.came = call.came, None
        if isinstance(came, BotoCoreError):
            raise came
        return came

    def _send(self, model: Model, request: Mapping[str, Any]) -> AWSResponse | BotoCoreError:
        try:
            return self._session.send(model.made(request, self._keys(), signature.now()))
        except BotoCoreError as error:
            return error

    def _runtime(self, model: Model) -> CommonRuntime | None:
        return self._runtimes.of(self._session, model.top, model.region) if self._runtimes else None

    def _keys(self) -> ReadOnlyCredentials:
        return self._credentials().get_frozen_credentials()


def _is_success(came: AWSResponse, operation: str) -> bool:
    """Return whether an answer is nothing else: that to a PUT has a body only if it tells of an error."""
    if operation == GET:
        return came.status_code in (200, 206)
    return came.status_code == 200 and not came.content


def _parsed(headers: Mapping[str, str], body: object) -> Mapping[str, Any]:
    """Return what boto would make of an answer, as far as it is used. headers: by their names in lower case."""
    answer: dict[str, object] = {name: headers[header] for header, name in _TOLD.items() if header in headers}
    if modified := headers.get("last-modified"):
        answer["LastModified"] = _time(modified)
    return answer | {
        "Metadata": {
            name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)
        },
        "Body": StreamingBody(body, headers.get("content-length")),
        "ResponseMetadata": {"HTTPHeaders": headers},
    }


@lru_cache(maxsize=1024)  # files are often of the same second
def _time(words: str) -> datetime:
    try:
        return parsedate_to_datetime(words)
    except ValueError:  # boto takes other forms, too, and its time
        found: datetime = parse_timestamp(words)
        return found
