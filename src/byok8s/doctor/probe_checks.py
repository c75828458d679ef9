"""What the probe pod tells. Values in, checks out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import metadata

from byok8s.doctor import clock
from byok8s.doctor.check import Check, all_skipped, failed, ok, skipped, warning
from byok8s.doctor.probe_pod import Probe
from byok8s.kube.objects import Object, text
from byok8s.pods import events
from byok8s.pods.cause import Cause
from byok8s.pods.outcome import Outcome, State
from byok8s.worker.probe import OPERATIONS, Seen

TOLD = ("Python", "Snakemake", "user", "disk")
S3 = ("route", "credentials", *OPERATIONS, clock.NAME)
NAMES = ("pod", "image", *TOLD, *S3)
OLDEST_SNAKEMAKE = (9, 19)
NEXT_SNAKEMAKE = (10,)
LEAST_FREE_MB = 1000
# what S3 and its client say of keys that are wrong, over or not there
KEYS = re.compile(
    r"(?:InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken\w*|TokenRefreshRequired)\b"
    r"|Unable to locate credentials|Partial credentials|credentials? .*(?:expired|not found)",
)
WRONG_ARCHITECTURE = re.compile(
    r"exec format error|no match for platform|no matching manifest for", re.IGNORECASE
)
NO_PYTHON = re.compile(r'"?python"?: (?:executable file not found|no such file)', re.IGNORECASE)
PULLED = re.compile(r"Successfully pulled image .*? in ([0-9.]+[a-zµ]+[0-9.a-z]*)")
IMAGES = (
    "Name an image with Python and Snakemake by --image, or none for snakemake/snakemake in your version."
)


def checks(probe: Probe, image: str, bucket_works_here: bool | None) -> list[Check]:
    """image: of the pod. bucket_works_here: None if no bucket is named."""
    started = _started(probe, image)
    if probe.seen is None:
        return [*started, *all_skipped([*TOLD, *S3], "no pod could look")]
    return [
        *started,
        *told(probe.seen),
        *claim(probe.seen),
        *s3(probe.seen, text(probe.pod, "spec", "nodeName"), bucket_works_here),
    ]


def _started(probe: Probe, image: str) -> list[Check]:
    found = probe.outcome
    if probe.seen:
        left = f" Left behind: {probe.left}" if probe.left else ""
        node = f"ran after {probe.waited:.1f} s on node {found.node} ({probe.seen.machine})"
        fix = "byok8s clean"
        pod = warning("pod", f"{node}.{left}", fix) if left else ok("pod", node)
        return [pod, ok("image", f"{image}, {pulled(probe.events)}")]
    cause, why = _trouble(probe)
    if WRONG_ARCHITECTURE.search(why):
        return [
            failed(
                "image",
                f"{image} is made for another architecture than the node's: {why}",
                "--pod node_selector=kubernetes.io/arch=amd64, or an --image that is made for these nodes.",
            ),
            skipped("pod", "its image cannot run"),
        ]
    if cause is not None and cause.of_image:
        return [
            failed("image", why, f"byok8s explain {cause.value}"),
            skipped("pod", "its image is not there"),
        ]
    if NO_PYTHON.search(why):
        return [
            failed("image", f"{image} has no python: {why}", IMAGES),
            skipped("pod", "its image has no Python"),
        ]
    fix = f"byok8s explain {cause.value}" if cause else ""
    return [failed("pod", why, fix), skipped("image", "no pod has run")]


def _trouble(probe: Probe) -> tuple[Cause | None, str]:
    """Say why the pod has told nothing: by its status, else by its events."""
    found = probe.outcome
    why, cause = found.why, found.cause
    if cause is None:
        reading = events.read(probe.events)
        why, cause = reading.why or why, reading.cause
    if found.state is State.SUCCEEDED:
        why = "its worker has left no word: something else ran in its place"
    return cause, "; ".join(filter(None, [why or _silent(found), probe.log]))


def _silent(found: Outcome) -> str:
    return "it runs and does not end" if found.state is State.RUNNING else "it has not started"


def pulled(found: Sequence[Object]) -> str:
    """By the pod's events."""
    for event in found:
        message = text(event, "message")
        if text(event, "reason") == "Pulled":
            took = PULLED.search(message)
            return f"pulled in {took[1]}" if took else "which the node had already"
    return "there or pulled: no event says which"


def told(seen: Seen) -> list[Check]:
    """Check the image, and the user and the disk of the pod."""
    user = warning(
        "user", "root, though a run asks for none", "A policy of the cluster changes pods: ask its operator."
    )
    disk = f"{seen.free_mb / 1000:,.1f} GB free"
    return [
        ok("Python", seen.python),
        snakemake(seen.snakemake, metadata.version("snakemake")),
        ok("user", f"number {seen.user}, not root") if seen.user else user,
        ok("disk", disk)
        if seen.free_mb >= LEAST_FREE_MB
        else warning(
            "disk", f"{disk} on the node", "Set disk_mb in rules, so that jobs go to nodes with room."
        ),
    ]


def claim(seen: Seen) -> list[Check]:
    """Check the volume of --cache, if there is one: a run does without."""
    match seen.claim:
        case None:
            return []
        case "":
            return [ok("claim", "the pod can write to it")]
        case why:
            fix = "Let group 1000, which pods have, write to the volume, or leave --cache out."
            return [warning("claim", f"nothing can be kept in it: {why}", fix)]


def snakemake(there: str, here: str) -> Check:
    """Versions, of the image and of this machine."""
    if not there:
        return failed("Snakemake", "the image has none", IMAGES)
    if _numbers(there) < OLDEST_SNAKEMAKE or _numbers(there) >= NEXT_SNAKEMAKE:
        oldest = ".".join(map(str, OLDEST_SNAKEMAKE))
        return failed(
            "Snakemake",
            f"{there} in the image, {here} here: jobs need {oldest} or newer, and below {NEXT_SNAKEMAKE[0]}",
            f"--image snakemake/snakemake:v{here}, or one with that version.",
        )
    if there != here:
        return warning(
            "Snakemake",
            f"{there} in the image, {here} here",
            f"--image snakemake/snakemake:v{here} has the same.",
        )
    return ok("Snakemake", f"{there}, as here")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def s3(seen: Seen, node: str, works_here: bool | None) -> list[Check]:
    """works_here: whether all of it works from this machine; None if no bucket is named."""
    if works_here is None:
        return all_skipped(S3, "no bucket is named")
    if not works_here:
        return all_skipped(S3, "the bucket cannot be used from here either")
    if not seen.host:
        said = seen.refused.get("list", "")
        others = [name for name in S3 if name != "list"]
        return [
            failed("list", f"no S3 client can be made in the pod: {said}", IMAGES),
            *all_skipped(others, "there is no S3 client"),
        ]
    if why := seen.unresolved.get(seen.host):
        return all_skipped(S3, f"{seen.host} does not resolve: {why}")
    if seen.route:
        route = failed("route", f"no connection from the pod: {seen.route}", "byok8s explain s3-unreachable")
        return [route, *all_skipped(S3[1:], "there is no route")]
    return [ok("route", f"a connection to {seen.host}"), *_allowed(seen), _clock(seen, node)]


def _allowed(seen: Seen) -> list[Check]:
    refused = seen.refused.get("list", "")
    if KEYS.search(refused):
        keys = failed(
            "credentials",
            f"those of jobs are refused, though this machine's are not: {refused}",
            "Jobs have others: look for AWS_ variables in the pod template, and at the service account.",
        )
        return [keys, *all_skipped(OPERATIONS, "the credentials are refused")]
    return [ok("credentials", "known to S3"), *(_operation(seen, name) for name in OPERATIONS)]


def _operation(seen: Seen, name: str) -> Check:
    if name in seen.done:
        return ok(name, "as from here")
    if said := seen.refused.get(name):
        return failed(name, f"it works from here, and not from the pod: {said}", "byok8s explain s3-denied")
    return skipped(name, "nothing could be put")


def _clock(seen: Seen, node: str) -> Check:
    if seen.s3_clock is None:
        return skipped(clock.NAME, "S3 has not told its time")
    whose = f"the clock of node {node}"
    return clock.of_s3(seen.clock - seen.s3_clock, whose, f"Set {whose}")
