"""Which proxy leads to a cluster: the rules of Go's httpproxy, which are kubectl's."""

import pytest

from byok8s.kube.proxy import proxy_from_environment

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        ("https://k8s.lab:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://k8s.lab:6443", {"https_proxy": PROXY}, PROXY),
        ("https://k8s.lab:6443", {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https://k8s.lab:6443", {"HTTP_PROXY": PROXY}, ""),
        ("http://k8s.lab", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://k8s.lab", {}, ""),
        ("https://k8s.lab", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, ""),
        ("https://k8s.lab", {"HTTPS_PROXY": PROXY, "NO_PROXY": "other, k8s.lab"}, ""),
        ("https://k8s.lab", {"HTTPS_PROXY": PROXY, "no_proxy": "lab"}, ""),
        ("https://k8s.lab", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".lab"}, ""),
        ("https://k8s.lab", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*.lab"}, ""),
        ("https://K8S.LAB", {"HTTPS_PROXY": PROXY, "NO_PROXY": "K8s.Lab"}, ""),
        ("https://lab", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".lab"}, PROXY),
        ("https://notlab", {"HTTPS_PROXY": PROXY, "NO_PROXY": "lab"}, PROXY),
        ("https://k8s.lab:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "k8s.lab:6443"}, ""),
        ("https://k8s.lab:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "k8s.lab:443"}, PROXY),
        ("https://10.1.2.3", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://11.1.2.3", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,,"}, PROXY),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.1.2.3"}, ""),
        ("https://[fd00::1]", {"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/16"}, ""),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
    ],
)
def test_the_proxy_to_a_server(server: str, environment: dict[str, str], proxy: str) -> None:
    assert proxy_from_environment(server, environment) == proxy
