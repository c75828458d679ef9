"""Which image a tag means now, by its digest: a tag can be moved, and then two pods of one run would differ.

(https://distribution.github.io/distribution/spec/api/#existing-manifests)
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

DOCKER_HUB = "https://registry-1.docker.io"
SECONDS = 3.0  # for each of three requests
MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def pinned(image: str, registry: str = DOCKER_HUB) -> str:
    """Return the image by its digest; as it is when the registry cannot be asked from here, or does not say.

    image: of Docker Hub, as NAME/NAME:TAG.
    """
    repository, _, tag = image.partition(":")
    url = f"{registry}/v2/{repository}/manifests/{tag}"
    try:
        try:
            headers = _head(url, {})
        except urllib.error.HTTPError as error:
            if error.code != 401:
                return image
            challenge = error.headers.get("WWW-Authenticate", "")
            token = _token(challenge, urlsplit(registry).scheme)
            headers = _head(url, {"Authorization": f"Bearer {token}"})
    except (OSError, ValueError):  # an HTTPError is an OSError
        return image
    digest = headers.get("Docker-Content-Digest", "")
    return f"{repository}@{digest}" if DIGEST.fullmatch(digest) else image


def _head(url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    # the scheme is the registry's, which is not the user's to choose
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFESTS, **headers})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return dict(answer.headers)


def _token(challenge: str, scheme: str) -> str:
    """Return a token for everybody, from where the registry's answer says, encrypted as the registry is.

    Raises OSError or ValueError.
    """
    said = dict(PARAMETER.findall(challenge))
    realm = said.pop("realm", "")
    if urlsplit(realm).scheme != scheme:
        raise ValueError(f"no address to get a token from: {challenge!r}")
    with urllib.request.urlopen(f"{realm}?{urlencode(said)}", timeout=SECONDS) as answer:  # noqa: S310
        return str(json.load(answer)["token"])
