"""The namespace: what it allows a pod to be, and what it has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from byok8s.access.check import PATIENCE_SECONDS
from byok8s.access.preflight import check_claim
from byok8s.doctor.check import Check, failed, of_error, ok, skipped
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, KubeClient, Object, Unreachable
from byok8s.kube.errors import FORBIDDEN, NOT_FOUND
from byok8s.kube.objects import get_in, items, mapping, text
from byok8s.pods.cause import Cause
from byok8s.pods.outcome import refused
from byok8s.pods.quantity import quantity, words

CLAIM = "claim"  # looked at if --cache names one
NAMES = ("namespace", "Pod Security", "LimitRange", "ResourceQuota", "admission")
ENFORCE = "pod-security.kubernetes.io/enforce"
# of a quota that counts only some pods: those that ours are among (https://kubernetes.io/docs/concepts/policy/
# resource-quotas/#quota-scopes)
OUR_SCOPES = frozenset({"NotTerminating", "NotBestEffort"})


def look(client: KubeClient, namespace: str, pod: Object, config_maps: int) -> list[Check]:
    """All but admission. pod: one like those of a run. config_maps: how many a run makes.

    Raises ClusterError if the API cannot be asked.
    """
    path = f"/api/v1/namespaces/{namespace}"
    found = _get(client, path)
    if isinstance(found, ApiError) and found.code == NOT_FOUND:
        missing = failed(
            "namespace", f"there is no namespace {namespace}", f"kubectl create namespace {namespace}"
        )
        return [missing, *(skipped(name, "there is no namespace") for name in NAMES[1:-1])]
    labels = skipped("Pod Security", _forbidden("reading the namespace"))
    if isinstance(found, ApiError):
        exists = ok("namespace", f"{namespace} (reading it is not allowed, and not needed)")
    else:
        exists, labels = phase(found), pod_security(found)
    return [
        exists,
        labels,
        _listed(client, f"{path}/limitranges", "LimitRange", limits),
        _listed(
            client,
            f"{path}/resourcequotas",
            "ResourceQuota",
            lambda found: room(found, wants(pod, config_maps)),
        ),
    ]


def claim(client: KubeClient, namespace: str, name: str) -> Check:
    """Check the claim of --cache, as a run does before it makes anything. Raises ClusterError without an API."""
    try:
        check_claim(client, namespace, name)
    except Unreachable:
        raise
    except ClusterError as error:
        return of_error(CLAIM, error)
    return ok(CLAIM, f"{name}, which --cache names")


def try_pod(try_it: Callable[[], None]) -> Check:
    """try_it: has the cluster look at a pod, creating none; raises ApiError with its objection."""
    try:
        try_it()
    except ApiError as error:
        return admission(error)
    except ClusterError as error:
        return of_error("admission", error)
    return ok("admission", "a pod like a run's is taken (tried without creating it)")


def admission(error: ApiError) -> Check:
    """error: the answer to a pod that was to be tried."""
    if "does not support dry run" in error.message:
        return skipped("admission", f"a webhook cannot be asked without creating a pod: {error.message}")
    cause = refused(error).cause or Cause.API_ERROR
    if cause is Cause.QUOTA and "exceeded quota" in error.message:
        return skipped("admission", "the quota has no room for a pod")
    return failed("admission", str(error), f"byok8s explain {cause.value}")


def phase(namespace: Object) -> Check:
    name = text(namespace, "metadata", "name")
    if text(namespace, "status", "phase") == "Terminating":
        return failed("namespace", f"{name} is being deleted", "Name another with -k.")
    return ok("namespace", name)


def pod_security(namespace: Object) -> Check:
    """Check the labels of https://kubernetes.io/docs/concepts/security/pod-security-admission/."""
    enforced = text(namespace, "metadata", "labels", ENFORCE)
    if not enforced:
        return ok("Pod Security", "no profile is enforced by a label; pods of a run keep the restricted one")
    return ok("Pod Security", f"{enforced} is enforced; pods of a run keep the restricted profile")


def limits(ranges: Iterable[Object]) -> Check:
    """Whether a pod keeps them is tried by admission."""
    said = [
        f"{text(limit, 'type')} at {side} {', '.join(words(name, quantity(most)) for name, most in bounds.items())}"
        for limit_range in ranges
        for limit in items(limit_range, "spec", "limits")
        for side, bounds in (("most", mapping(limit, "max")), ("least", mapping(limit, "min")))
        if bounds
    ]
    return ok("LimitRange", "; ".join(said) or "none")


def wants(pod: Object, config_maps: int) -> Mapping[str, float]:
    """Return what a run of one pod uses up, by the names that quotas have for it."""
    counted = {"pods": 1.0, "secrets": 1.0, "configmaps": float(config_maps), "jobs.batch": 1.0}
    found = counted | {f"count/{name}": number for name, number in counted.items()}
    for kind, prefixes in (("requests", ("", "requests.")), ("limits", ("limits.",))):
        amounts = mapping(pod, "spec", "containers", 0, "resources", kind)
        found |= {
            f"{prefix}{name}": quantity(amount) for name, amount in amounts.items() for prefix in prefixes
        }
    return found


def room(quotas: Iterable[Object], wanted: Mapping[str, float]) -> Check:
    """Check whether a run of one pod still fits the namespace's quotas."""
    counted = [quota for quota in quotas if _applies(quota)]
    short = [short for quota in counted for short in _short(quota, wanted)]
    if short:
        return failed(
            "ResourceQuota",
            f"no room for a pod: {'; '.join(short)}",
            "End what uses it up (`byok8s clean` for what runs left), ask for a larger quota, or name another "
            "namespace with -k.",
        )
    left = [
        f"{name}: {text(quota, 'status', 'used', name) or 0} of {hard} used"
        for quota in counted
        for name, hard in mapping(quota, "status", "hard").items()
    ]
    return ok("ResourceQuota", "; ".join(left) or "none")


def _short(quota: Object, wanted: Mapping[str, float]) -> list[str]:
    found = []
    for name, hard in mapping(quota, "status", "hard").items():
        used = get_in(quota, "status", "used", name) or "0"
        if name in wanted and quantity(used) + wanted[name] > quantity(hard):
            found.append(f"{name} {used} of {hard} used (quota {text(quota, 'metadata', 'name')})")
    return found


def _applies(quota: Object) -> bool:
    scopes = get_in(quota, "spec", "scopes")
    named = set(map(str, scopes)) if isinstance(scopes, list) else set()
    return named <= OUR_SCOPES and not mapping(quota, "spec", "scopeSelector")


def _listed(client: KubeClient, path: str, name: str, judge: Callable[[Iterable[Object]], Check]) -> Check:
    found = _get(client, path)
    if isinstance(found, ApiError):
        return skipped(name, _forbidden("listing"))
    return judge(items(found, "items"))


def _get(client: KubeClient, path: str) -> Object | ApiError:
    """Return what is there; or the answer that it is not, or not for us to see."""
    try:
        return client.get(path, patience=PATIENCE_SECONDS)
    except ApiError as error:
        if error.code not in {FORBIDDEN, NOT_FOUND}:
            raise
        return error


def _forbidden(what: str) -> str:
    return f"{what} is not allowed, and a run does not need it"
