"""Where CoreDNS, and kube-dns before it, ask for names that are not the cluster's. Text in, text out.

A Corefile is read by the rules of Caddy's lexer: words are parted by white space, `"` quotes, `#` begins a comment
(https://github.com/coredns/caddy/blob/master/caddyfile/lexer.go). Only words are replaced, so all else stays as it is.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from byok8s.errors import ClusterError, InputError

DEFAULT_SERVERS = ("8.8.8.8", "8.8.4.4")
MOST_SERVERS = (
    15  # of CoreDNS' forward: https://github.com/coredns/coredns/blob/master/plugin/forward/setup.go
)
MOST_OF_KUBE_DNS = 3  # https://github.com/kubernetes/dns/blob/master/pkg/dns/config/config.go
_TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"?|[^\s#]+', re.DOTALL)
_SCHEME_OR_PORT = re.compile(r"^\w+://|:\d+$")


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int


_Statement = tuple[_Word, ...]


def check_servers(servers: Sequence[str], most: int) -> None:
    """Raises InputError if one is no address that a pod could ask, with or without a port, or there are too many."""
    for server in servers:
        address = _address(server)
        if address is None:
            raise InputError(
                f"{server!r} is no address of a DNS server.",
                hint="Give addresses, as 8.8.8.8 or 10.0.0.2:5353.",
            )
        if address.is_loopback or address.is_unspecified:
            raise InputError(
                f"{server} is each machine itself: in the pods of the DNS it would be a loop again.",
                hint="Give an address of your network's DNS server, or of a public one.",
            )
    if len(servers) > most:
        raise InputError(f"This cluster's DNS forwards to at most {most} servers, not {len(servers)}.")


def with_upstreams(corefile: str, servers: Sequence[str]) -> str:
    """The same Corefile, which forwards to these servers what it has no zone of its own for.

    Changed are `forward . …`, `proxy . …` (before CoreDNS 1.5) and, in the blocks of plugins, `upstream …` (before
    1.7), each where it names servers and stands in a server block of the root zone: the servers of other zones are
    somebody's own. Raises ClusterError if there is no such line.
    """
    spans = list(_upstreams(corefile))
    if not spans:
        raise ClusterError(
            "The Corefile has no line `forward . …` in a server block of the root zone.",
            hint="Its servers may stand in a file that it imports: change them there.",
        )
    for start, end in reversed(spans):
        corefile = corefile[:start] + " ".join(servers) + corefile[end:]
    return corefile


def nameservers(servers: Sequence[str]) -> str:
    """The value of `upstreamNameservers` in the ConfigMap of kube-dns."""
    return json.dumps(list(servers))


def _address(server: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with_port = re.fullmatch(r"\[(.*)\]:\d+|([^:]*):\d+", server)
    try:
        return ipaddress.ip_address(next(filter(None, with_port.groups()), "") if with_port else server)
    except ValueError:
        return None


def _upstreams(corefile: str) -> Iterator[tuple[int, int]]:
    """Where the servers begin and end, of each line that names some."""
    for outer, (name, *arguments) in _statements(corefile):
        if not outer or not _is_root(outer[0]):
            continue
        servers: Sequence[_Word] = ()
        if len(outer) == 1 and name.text in {"forward", "proxy"}:
            if arguments and arguments[0].text.strip('"') == ".":
                servers = arguments[1:]
        elif len(outer) == 2 and name.text == "upstream":
            servers = arguments
        if servers:
            yield servers[0].start, servers[-1].end


def _is_root(keys: _Statement) -> bool:
    """Of a server block: whether it serves all names. Its keys are zones, with a scheme and a port or without."""
    zones = (key.text.strip('",') for key in keys)
    return any(_SCHEME_OR_PORT.sub("", zone) in {"", "."} for zone in zones)


def _statements(corefile: str) -> Iterator[tuple[Sequence[_Statement], _Statement]]:
    """The words of a line up to its block, with the statements in whose blocks it stands, the outermost first."""
    outer: list[_Statement] = []
    words: list[_Word] = []
    end = 0
    for word in _words(corefile):
        is_brace = word.text in {"{", "}"}
        goes_on = bool(words) and words[-1].text.endswith(",")  # as the keys of a server block may
        ends = is_brace or ("\n" in corefile[end : word.start] and not goes_on)
        if words and ends:
            yield tuple(outer), tuple(words)
        if word.text == "{":
            outer.append(tuple(words))
        elif word.text == "}":
            del outer[-1:]
        words = [*([] if ends else words), *([] if is_brace else [word])]
        end = word.end
    if words:
        yield tuple(outer), tuple(words)


def _words(corefile: str) -> Iterator[_Word]:
    for match in _TOKEN.finditer(corefile):
        if not match[0].startswith("#"):
            yield _Word(match[0], match.start(), match.end())
