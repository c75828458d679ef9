"""What stands in for CoreDNS, and for kube-dns: runs in a pod, of the standard library alone.

Reads its real configuration. Where that forwards to itself it says so, in CoreDNS' own words, and ends. Else it answers
over UDP: for the cluster's one name, and, as if it had asked there, for all of example.org, if the servers that it
forwards to are any that can be reached.

Arguments: the address to serve at.
"""

import re
import socket
import struct
import sys
from pathlib import Path

COREFILE = Path("/etc/coredns/Corefile")
NAMESERVERS = Path("/kube-dns-config/upstreamNameservers")
ADDRESSES = {"kubernetes.default.svc.cluster.local": "10.96.0.1"}
A, NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 1, 0, 2, 3
UNREACHABLE = "192.0.2.1"  # of TEST-NET-1, RFC 5737
me = sys.argv[1]


def servers() -> str:
    if not COREFILE.is_file():
        return NAMESERVERS.read_text() if NAMESERVERS.is_file() else ""
    found = re.search(r"^\s*forward \. (.*?)(?: \{)?$", COREFILE.read_text(), re.MULTILINE)
    assert found
    return found[1]


def answer(query: bytes, forwards_to: str) -> bytes:
    """RFC 1035, sections 4.1 and 3.2."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    question, kind = query[12 : at + 5], struct.unpack("!H", query[at + 1 : at + 3])[0]
    name = ".".join(labels).lower()
    address, code = ADDRESSES.get(name), NO_ERROR
    if name.endswith("example.org"):
        address = "192.0.2.10"
        code = SERVER_FAILURE if UNREACHABLE in forwards_to else NO_ERROR
    elif not address:
        code = NO_SUCH_NAME
    found = address if address and kind == A and code == NO_ERROR else None
    record = struct.pack("!HHHIH", 0xC00C, A, 1, 5, 4) + socket.inet_aton(found) if found else b""
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, 1 if found else 0, 0, 0)
    return head + question + record


forwards_to = servers()
print(".:53\n[INFO] plugin/reload: Running configuration MD5 = 5d5369fbc12f985709b924e721217843", flush=True)
if any(loop in forwards_to for loop in ("/etc/resolv.conf", "127.", me)):
    # https://github.com/coredns/coredns/blob/master/plugin/loop/loop.go
    print(
        '[FATAL] plugin/loop: Loop (127.0.0.1:46732 -> :53) detected for zone ".", see '
        'https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO 5542328687544567010.7848882517153318095."',
        flush=True,
    )
    sys.exit(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the one before may be ending
    server.bind((me, 53))
    Path("/tmp/ready").touch()
    while True:
        query, client = server.recvfrom(512)
        server.sendto(answer(query, forwards_to), client)
