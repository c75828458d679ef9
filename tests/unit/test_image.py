"""What container runtimes say of an image that they cannot pull, and the name that is given to it.

Where no source is named, the message was seen on the rig: Kubernetes 1.20.2 and containerd 1.6.20, with a registry that
answers as told.
"""

import pytest

from byok8s.pods import image
from byok8s.pods.cause import Cause

CONTAINERD = "rpc error: code = Unknown desc = failed to pull and unpack image "


def containerd(name: str, what: str) -> str:
    return f'{CONTAINERD}"{name}": failed to resolve reference "{name}": {what}'


REQUEST = 'failed to do request: Head "https://registry.example/v2/x/y/manifests/1": '
NEWER = (
    'failed to pull and unpack image "x/y:1": failed to resolve image: failed to do request: '
    'Head "https://x/v2/y/manifests/1": '
)
LIMIT = (
    "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and "
    "upgrading: https://www.docker.com/increase-rate-limit"
)

MESSAGES = [
    # of a manifest and of a repository that are unknown to the registry, word for word the same
    (containerd("127.0.0.1:5999/x/y:1", "127.0.0.1:5999/x/y:1: not found"), Cause.IMAGE_NOT_FOUND),
    # substratusai/runbooks#42
    (
        containerd("docker.io/a/controller-manager:v0", "docker.io/a/controller-manager:v0: not found"),
        Cause.IMAGE_NOT_FOUND,
    ),
    # Kubernetes 1.36.2 and containerd 2.3.4
    (NEWER + "dial tcp 127.0.0.1:443: connect: connection refused", Cause.IMAGE_REGISTRY_UNREACHABLE),
    (NEWER + "tls: first record does not look like a TLS handshake", Cause.IMAGE_REGISTRY_UNREACHABLE),
    (
        f'Back-off pulling image "x/y:1": ErrImagePull: {NEWER}dial tcp: lookup x on 10.96.0.10:53: dial udp '
        "10.96.0.10:53: connect: network is unreachable",
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    ('Container image "localhost/x:1" is not present with pull policy of Never', Cause.IMAGE_NOT_FOUND),
    # lachie83/k8s-kubectl#157, Docker
    (
        "rpc error: code = Unknown desc = Error response from daemon: manifest for lachlanevenson/k8s-kubectl:v1.18.20 "
        "not found: manifest unknown: manifest unknown",
        Cause.IMAGE_TAG_NOT_FOUND,
    ),
    # cri-o/cri-o#4388
    (
        "rpc error: code = Unknown desc = Error reading manifest latest in registry.mydomain/image: manifest unknown: "
        "manifest unknown",
        Cause.IMAGE_TAG_NOT_FOUND,
    ),
    # kubernetes/kubernetes#23584
    ("(Tag v2 not found in repository gcr.io/google_containers/guestbook)", Cause.IMAGE_TAG_NOT_FOUND),
    # distribution/distribution, NAME_UNKNOWN of its error codes, as CRI-O quotes it
    (
        "reading manifest 1 in registry.example/x: name unknown: repository name not known to registry",
        Cause.IMAGE_NOT_FOUND,
    ),
    # also pfnet/image-pull-secrets-provisioner#31
    (
        containerd(
            "docker.io/library/controller:latest",
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed",
        ),
        Cause.IMAGE_DENIED,
    ),
    (
        containerd(
            "127.0.0.1:5999/x/y:1",
            "pulling from host 127.0.0.1:5999 failed with status code [manifests 1]: 401 Unauthorized",
        ),
        Cause.IMAGE_DENIED,
    ),
    (
        containerd(
            "127.0.0.1:5999/x/y:1",
            "pulling from host 127.0.0.1:5999 failed with status code [manifests 1]: 403 Forbidden",
        ),
        Cause.IMAGE_DENIED,
    ),
    # kubernetes/minikube#20613, Docker
    (
        "Error response from daemon: pull access denied for suedostcargo-web, repository does not exist or may "
        "require 'docker login': denied: requested access to the resource is denied",
        Cause.IMAGE_DENIED,
    ),
    # cri-o/cri-o#2331
    (
        "rpc error: code = Unknown desc = Error reading manifest latest in docker.io/crio/busybox: errors:\n"
        "denied: requested access to the resource is denied\nunauthorized: authentication required",
        Cause.IMAGE_DENIED,
    ),
    # tusc/ntopng-udm#1, of quay.io
    (
        "Error reading manifest latest in quay.io/tusc/ntopng-udm: unauthorized: access to the requested resource is "
        "not authorized",
        Cause.IMAGE_DENIED,
    ),
    (
        containerd(
            "registry.example/x/y:1",
            REQUEST + "dial tcp: lookup registry.example on 10.255.255.53:53: no such host",
        ),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    (
        containerd("127.0.0.1:1/x/y:1", REQUEST + "dial tcp 127.0.0.1:1: connect: connection refused"),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    (
        containerd("10.88.0.1:8333/x/y:1", REQUEST + "http: server gave HTTP response to HTTPS client"),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    (
        containerd(
            "10.255.255.1/x/y:1",
            REQUEST + "x509: cannot validate certificate for 10.255.255.1 because it ...",
        ),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    (
        containerd(
            "127.0.0.1:5999/x/y:1",
            "pulling from host 127.0.0.1:5999 failed with status code [manifests 1]: 503 Service Unavailable",
        ),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    # kubernetes/kubeadm#2936
    (
        containerd(
            "registry.k8s.io/pause:3.9", REQUEST + "dial tcp 34.96.108.209:443: connect: connection timed out"
        ),
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    # cri-o/cri-o#2331, a comment
    (
        "error pinging docker registry registry-1.docker.io: Get https://registry-1.docker.io/v2/: proxyconnect tcp: "
        "dial tcp: lookup http: Temporary failure in name resolution",
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    # kubernetes/kubernetes pkg/kubelet/images/image_manager.go
    (
        "image pull failed for x because the registry is unavailable.",
        Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    (
        containerd(
            "127.0.0.1:5999/x/y:1",
            "pulling from host 127.0.0.1:5999 failed with status code [manifests 1]: 429 Too Many Requests",
        ),
        Cause.IMAGE_THROTTLED,
    ),
    # kata-containers/kata-containers#10109
    (
        f'{CONTAINERD}"docker.io/library/busybox:latest": failed to copy: httpReadSeeker: failed open: unexpected '
        "status code https://registry-1.docker.io/v2/library/busybox/manifests/sha256:50: 429 Too Many Requests - "
        f"Server message: {LIMIT}",
        Cause.IMAGE_THROTTLED,
    ),
    # red-hat-storage/ocs-ci#4494, CRI-O
    (f"Error reading manifest latest in docker.io/obsidiandynamics/kafdrop: {LIMIT}", Cause.IMAGE_THROTTLED),
    # kubernetes/kubernetes pkg/kubelet/images/image_manager.go
    (
        'Failed to apply default image tag "UPPER//x": couldn\'t parse image reference "UPPER//x": invalid reference '
        "format",
        Cause.IMAGE_INVALID,
    ),
    ('Back-off pulling image "localhost/no/such-image:1"', Cause.IMAGE_NOT_PULLED),
    # newer kubelets add the error to it
    (
        f'Back-off pulling image "x/y:1": ErrImagePull: {containerd("x/y:1", "x/y:1: not found")}',
        Cause.IMAGE_NOT_FOUND,
    ),
    ('Back-off pulling image "x/y:1": ErrImagePull', Cause.IMAGE_NOT_PULLED),
    ("something that nobody has said before", Cause.IMAGE_NOT_PULLED),
    ("", Cause.IMAGE_NOT_PULLED),
    # a name is no evidence
    ('Back-off pulling image "docker.io/me/unauthorized-not-found:503"', Cause.IMAGE_NOT_PULLED),
    (
        containerd("docker.io/a/unauthorized:1", "docker.io/a/unauthorized:1: not found"),
        Cause.IMAGE_NOT_FOUND,
    ),
]


@pytest.mark.parametrize(("message", "cause"), MESSAGES)
def test_the_cause(message: str, cause: Cause) -> None:
    assert image.cause(message) is cause


@pytest.mark.parametrize(("message", "cause"), MESSAGES)
def test_an_event_says_the_same_with_words_before_it(message: str, cause: Cause) -> None:
    if not message.startswith("Back-off") and message:
        assert image.cause(f'Failed to pull image "a/b:1": {message}') is cause


def test_the_sentence_has_the_image_what_it_means_and_the_runtimes_last_words() -> None:
    said = image.why("x/y:1", containerd("x/y:1", REQUEST + "dial tcp 1.2.3.4:443: i/o timeout"))
    assert said.startswith(
        "its image x/y:1 cannot be pulled: its registry cannot be reached from the node, or fails ("
    )
    assert said.endswith("dial tcp 1.2.3.4:443: i/o timeout)")
    assert "rpc error" not in said


def test_newer_runtimes_say_it_with_other_words_before_it() -> None:
    said = image.why("x/y:1", NEWER + "dial tcp 127.0.0.1:443: connect: connection refused")
    assert '(Head "https://x/v2/y/manifests/1": dial tcp' in said
