"""Errors of the Kubernetes API and of the way to it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping

from byok8s.errors import ClusterError
from byok8s.kube.objects import Json, text

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
CONFLICT, GONE, UNPROCESSABLE = 409, 410, 422
ALREADY_EXISTS = "AlreadyExists"  # the one reason of a conflict after which trying again is in vain
LOG_IN_AGAIN = (
    "Log in to the cluster again: `kubectl get pods` with the same context shows whether that worked."
)
HINTS = {
    UNAUTHORIZED: f"Your credentials are not (or no longer) accepted. {LOG_IN_AGAIN}",
    FORBIDDEN: "Ask the cluster's operator for this right, or name another namespace.",
}
SHOWN_BYTES = 200


class Unreachable(ClusterError):
    """The API server could not be reached, or its answer was cut off. cause: in a few words."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", cause: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.cause = cause or what.rstrip(".")


class NoCredentials(ClusterError):
    """There is nothing to show to the API server: an exec plugin fails, or a file cannot be read."""


class ApiError(ClusterError):
    """The API server answered, and the answer is no.

    request: method and address. code: of HTTP. reason, message: the words of the Status object that it sent.
    retry_after: seconds that it wants to be left alone for.
    """

    def __init__(self, request: str, code: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(
            f"The Kubernetes API said no: {(message or reason or str(code)).rstrip('.')}.",
            where=f"{request} ({' '.join(filter(None, (str(code), reason)))}).",
            hint=HINTS.get(code, ""),
        )
        self.code, self.reason, self.message = code, reason, message
        self.request, self.retry_after = request, retry_after


def refusal(request: str, code: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Read an answer that is an error. headers: their names in any case."""
    wait = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    retry_after = float(wait) if wait.isdecimal() else 0.0
    try:
        status: Json = json.loads(body)
    except ValueError:
        # a proxy's page says in much HTML what its code says
        words = "" if body.lstrip().startswith(b"<") else body[:SHOWN_BYTES].decode(errors="replace").strip()
        return ApiError(request, code, "", words, retry_after)
    return ApiError(request, code, text(status, "reason"), text(status, "message"), retry_after)


def after(error: ClusterError, seconds: float) -> ClusterError:
    """Return the same error, noting for how long it was retried."""
    if seconds < 1:
        return error
    tried = f"tried for {duration(seconds)}"
    match error:
        case ApiError():
            words = f"{(error.message or error.reason or str(error.code)).rstrip('.')} ({tried})"
            return ApiError(error.request, error.code, error.reason, words, error.retry_after)
        case Unreachable():
            where = f"{error.where.rstrip('.')} ({tried})."
            return Unreachable(error.what, where=where, hint=error.hint, cause=error.cause)
        case _:
            return error


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def short(error: ClusterError) -> str:
    """Say why there is no answer, for somebody who knows which cluster it is, and may have to do something."""
    match error:
        case Unreachable():
            return error.cause
        case ApiError() if error.code != UNAUTHORIZED:
            return (error.message or error.reason or f"it answers with {error.code}").rstrip(".")
        case ApiError():
            return f"your credentials are no longer accepted. {LOG_IN_AGAIN}".rstrip(".")
        case _:
            return f"{error.what} {error.where} {error.hint}".rstrip(".")


def cause(error: BaseException) -> str:
    """In a few words why a connection failed: what lies below the libraries' own errors."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return str(error) or type(error).__name__
