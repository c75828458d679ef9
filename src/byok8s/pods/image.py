"""Why an image was not pulled, from the words of container runtimes, which have no codes for it."""

from __future__ import annotations

import re

from byok8s.pods.cause import Cause

# In this order: a registry that cannot be reached may also say "not found", of a host; and what a registry answers
# for a repository that is not there is often that access to it is denied.
_WORDS = (
    (Cause.IMAGE_THROTTLED, r"toomanyrequests|429 too many requests|pull qps exceeded|rate limit"),
    (
        Cause.IMAGE_REGISTRY_UNREACHABLE,
        r"no such host|dial tcp|i/o timeout|connection refused|connection reset|connection timed out"
        r"|tls handshake timeout|not look like a tls handshake|x509:|http response to https|context deadline exceeded"
        r"|client\.timeout exceeded|temporary failure in name resolution|proxyconnect|network is unreachable"
        r"|registry is unavailable"
        r"|status(?: code)?[^\n]*\b5\d\d\b|: unexpected eof",
    ),
    (
        Cause.IMAGE_DENIED,
        r"pull access denied|unauthorized|authentication required|no basic auth credentials|denied:"
        r"|authorization failed|failed to authorize|insufficient_scope|\b40[13] (?:unauthorized|forbidden)"
        r"|access to the requested resource is not authorized|permission .* denied",
    ),
    (Cause.IMAGE_NOT_FOUND, r"name[ _]unknown|repository name not known|repository .* not found"),
    (Cause.IMAGE_TAG_NOT_FOUND, r"manifest[ _]unknown|manifest for \S+ not found|tag \S+ not found"),
    # containerd says no more than this, of the name and of the tag alike
    (Cause.IMAGE_NOT_FOUND, r"not found|404|is not present with pull policy of never"),
    (Cause.CONTAINER_PLATFORM, r"no match for platform|no matching manifest"),
    (Cause.IMAGE_INVALID, r"invalid ?(?:reference format|image ?name)|couldn't parse image"),
)
_SAID = {
    Cause.IMAGE_THROTTLED: "its registry limits how often it is asked",
    Cause.IMAGE_REGISTRY_UNREACHABLE: "its registry cannot be reached from the node, or fails",
    Cause.IMAGE_DENIED: "its registry denies access, or has no such image",
    Cause.IMAGE_NOT_FOUND: "there is no image of this name, or it has no such tag",
    Cause.IMAGE_TAG_NOT_FOUND: "the image has no such tag",
    Cause.IMAGE_INVALID: "this is no name of an image",
    Cause.CONTAINER_PLATFORM: "it has nothing for the node's kind of processor",
}
_BEFORE = re.compile(
    r"^(?:back-off pulling image \S+: )?(?:errimagepull: )?(?:failed to pull image \S+: )?"
    r"(?:rpc error: code = \w+ desc = )?(?:failed to pull and unpack image \S+: )?"
    r"(?:failed to resolve (?:reference \S+|image): )?(?:failed to do request: )?",
    re.IGNORECASE,
)
_BACK_OFF = re.compile(r"^back-off pulling image \S+(?:: errimagepull:?)?$", re.IGNORECASE)


def cause(message: str) -> Cause:
    """Of the kubelet's or the runtime's message; IMAGE_NOT_PULLED where it does not say."""
    if _BACK_OFF.match(message):
        return Cause.IMAGE_NOT_PULLED
    # the image's name may hold any of the words that are looked for
    said = re.sub(r'"[^"]*"', '""', message)
    said = _without_name(message, said).lower()
    return next((found for found, words in _WORDS if re.search(words, said)), Cause.IMAGE_NOT_PULLED)


def why(image: str, message: str) -> str:
    """One sentence: the image, what is the matter with it, and the runtime's own words for it."""
    found = cause(message)
    said = _SAID.get(found)
    own = _BEFORE.sub("", message).strip()
    of = f"its image {image} cannot be pulled"
    if said is None:
        return f"{of}: {own}" if own else of
    return f"{of}: {said} ({own})"


def cannot_run(message: str) -> Cause | None:
    """Return why the shell of a rule's own image does not start, by the runtime's words; None if they do not say."""
    said = message.lower()
    if "exec format error" in said:
        return Cause.CONTAINER_PLATFORM
    if "/bin/sh" in said and re.search(r"no such file|not found", said):
        return Cause.CONTAINER_NO_SHELL
    return None


def why_not_run(image: str, found: Cause, message: str) -> str:
    """One sentence: the image, and what is the matter with it."""
    if found is Cause.CONTAINER_NO_SHELL:
        return f"its image {image} has no /bin/sh"
    return f"its image {image} is for another kind of processor ({message.strip().splitlines()[-1]})"


def _without_name(message: str, said: str) -> str:
    """containerd repeats a name that is not found without quotes."""
    for name in re.findall(r'"([^"]*[/:][^"]*)"', message):
        said = said.replace(name, "")
    return said
