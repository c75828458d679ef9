"""What is to be looked at: the settings of a run, with its files or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from byok8s.errors import InputError
from byok8s.request import Request
from byok8s.s3 import Bucket
from byok8s.settings import Settings, default_image, named_bucket


@dataclass(frozen=True)
class Scope:
    """context, namespace: None for the default. bucket: None if none is named. image: of the pods.
    pod: words of all pods. pod_template: a path. no_credentials: pods get no copy of those that are used here.
    cache: the claim in which workers and runs keep inputs for each other, None for none.
    request: None if no workflow is named.
    """

    context: str | None
    namespace: str | None
    bucket: Bucket | None
    image: str
    pod: Mapping[str, object]
    pod_template: str | None
    no_credentials: bool
    cache: str | None = None
    request: Request | None = None

    @property
    def s3_environment(self) -> dict[str, str]:
        """Return the endpoint, in the variables in which S3's own tools look for it."""
        url = self.bucket.endpoint_url if self.bucket else None
        return {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_S3": url} if url else {}


def of_request(request: Request) -> Scope:
    """Raises InputError for a run on this machine."""
    _refuse_local(request.local)
    return Scope(
        request.context,
        request.namespace,
        request.bucket,
        request.image or default_image(),
        request.pod,
        request.pod_template,
        request.no_credentials,
        request.cache,
        request,
    )


def of_settings(settings: Settings) -> Scope:
    """Raises InputError for a bucket that cannot be one, and for a run on this machine."""
    _refuse_local(bool(settings.local))
    return Scope(
        settings.context,
        settings.k8s_namespace,
        named_bucket(settings, local=False),
        settings.image or default_image(),
        settings.pod or {},
        settings.pod_template,
        bool(settings.no_credentials),
        settings.cache,
    )


def _refuse_local(local: bool) -> None:
    if local:
        raise InputError(
            "A run with --local uses no cluster, so there is nothing to look at.",
            hint="--no-local looks at the cluster all the same.",
        )
