"""A stand-in for an OpenTelemetry collector: takes spans by OTLP/HTTP, or does what a collector in trouble does."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wired


@dataclass(frozen=True)
class Span:
    """A span as it came. Times are in nanoseconds since 1970. status: OTLP's number, with its words."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    begin: int
    end: int
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    status: int
    words: str


@dataclass
class Collector:
    """spans: those that came, in their order. sizes: of the requests that were taken, in spans. paths: of all.

    trouble: an HTTP status that is answered, or "hangs". headers: of the last request. changed: after each request.
    """

    url: str = ""
    trouble: int | str = ""
    spans: list[Span] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    over: threading.Event = field(default_factory=threading.Event)

    def wait(self, number: int) -> None:
        """Wait until there are so many spans."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.spans) >= number, 20), self.spans

    def wait_for_requests(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.paths) >= number, 20), self.paths

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status of the answer to a request."""
        with self.changed:
            self.paths.append(path)
            self.headers = headers
            self.changed.notify_all()
        if self.trouble == "hangs":
            self.over.wait()
        if isinstance(self.trouble, int):
            return self.trouble
        found = list(_decoded(body))
        with self.changed:
            self.spans += found
            self.sizes.append(len(found))
            self.changed.notify_all()
        return 200


@contextmanager
def collecting(trouble: int | str = "") -> Iterator[Collector]:
    collector = Collector(trouble=trouble)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = collector.take(self.path, dict(self.headers), body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield collector
        finally:
            collector.over.set()
            server.shutdown()
            thread.join()


def _decoded(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    for group in request.resource_spans:
        resource = _values(group.resource.attributes)
        for scope in group.scope_spans:
            yield from (_span(each, resource) for each in scope.spans)


def _span(each: Wired, resource: Mapping[str, Any]) -> Span:
    return Span(
        each.trace_id.hex(),
        each.span_id.hex(),
        each.parent_span_id.hex(),
        each.name,
        each.kind,
        each.start_time_unix_nano,
        each.end_time_unix_nano,
        _values(each.attributes),
        resource,
        each.status.code,
        each.status.message,
    )


def _values(attributes: Sequence[Any]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(each) for each in found.values] if kind == "array_value" else found
