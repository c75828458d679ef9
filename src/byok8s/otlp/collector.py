"""Sends spans to an OpenTelemetry collector by OTLP/HTTP. All that knows OpenTelemetry's SDK, which is an extra."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from byok8s.otlp.spans import Attributes, Span


class Collector:
    """A collector. Certificates, headers, timeout and compression are those of OTEL_EXPORTER_OTLP_*."""

    def __init__(self, url: str) -> None:
        self._session = _Session()
        self._exporter = OTLPSpanExporter(endpoint=url, session=self._session)
        # at the beginning, as this starts threads, which Python refuses to a program that is ending
        self._detected = Resource.create()
        log = logging.getLogger("opentelemetry")
        log.addHandler(logging.NullHandler())
        log.propagate = False  # what is not taken we say ourselves, once

    def send(self, spans: Sequence[Span], resource: Attributes) -> str:
        """Send spans that have a resource in common. Returns why they were not taken; nothing if they were."""
        self._session.why = ""
        # what OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say counts more
        whole = self._detected.merge(Resource(dict(resource))).merge(OTELResourceDetector().detect())
        result = SpanExportResult.FAILURE
        with suppress(requests.RequestException):  # older exporters let it through
            result = self._exporter.export([_readable(each, whole) for each in spans])
        return "" if result is SpanExportResult.SUCCESS else self._session.why or "it is not known why"


class _Session(requests.Session):
    """Notes what became of the last request, which the exporter does not tell. why: it failed.

    That nobody answers is no ConnectionError here: the exporter would try for seconds, and the end of a run waits.
    """

    why = ""

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        try:
            answer = self._sent_again(request, **how)
        except requests.RequestException as error:
            self.why = f"it does not answer ({_root(error)})"
            raise requests.RequestException(self.why) from error
        self.why = "" if answer.ok else f"it answers {answer.status_code} {answer.reason}"
        return answer

    def _sent_again(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        try:
            return super().send(request, **how)
        except requests.ConnectionError:
            # also of a connection that was kept, and that the collector has closed
            return super().send(request, **how)


def _root(error: BaseException) -> str:
    """Return what was first in a chain of errors, in the system's words if it has some."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=_context(span.trace, span.number),
        parent=None if span.parent is None else _context(span.trace, span.parent),
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind.SERVER if span.parent is None else SpanKind.INTERNAL,
        instrumentation_scope=InstrumentationScope("byok8s"),
        status=Status() if span.error is None else Status(StatusCode.ERROR, span.error or None),
        start_time=span.begin,
        end_time=span.end,
    )


def _context(trace: int, number: int) -> SpanContext:
    return SpanContext(trace, number, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
