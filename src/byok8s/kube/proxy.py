"""The proxy on the way to a cluster, by the rules that kubectl follows.

(https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_from_environment(server: str, environment: Mapping[str, str]) -> str:
    """The proxy's URL, or nothing where requests go straight to the server."""
    address = urlsplit(server)
    host = (address.hostname or "").rstrip(".")
    name = f"{address.scheme}_proxy"
    url = environment.get(name.upper()) or environment.get(name) or ""
    excepted = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    port = str(address.port or (443 if address.scheme == "https" else 80))
    if not url or _is_here(host) or any(_excepts(word.strip(), host, port) for word in excepted.split(",")):
        return ""
    return url if "://" in url else f"http://{url}"


def _is_here(host: str) -> bool:
    ip = _ip(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)


def _excepts(word: str, host: str, port: str) -> bool:
    """Whether a word of NO_PROXY means the host."""
    if word == "*":
        return True
    ip, network = _ip(host), _network(word)
    if ip and network:
        return ip.version == network.version and ip in network
    domain, _, only_port = word.lower().partition(":")
    if not domain or only_port not in {"", port}:
        return False
    domain = domain.removeprefix("*")
    return host == domain or host.endswith(domain if domain.startswith(".") else f".{domain}")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(word, strict=False)
    except ValueError:
        return None
