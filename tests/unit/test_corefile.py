"""The line that forwards is changed, and not a byte beside it, in Corefiles as they are shipped."""

import re

import pytest

from byok8s.dns.corefile import DEFAULT_SERVERS, MOST_OF_KUBE_DNS, check_servers, nameservers, with_upstreams
from byok8s.errors import ClusterError, InputError

# each as it is in the cluster, once its template is filled in, with what is looked for marked « »
SHIPPED = {
    # kubernetes/kubernetes cmd/kubeadm/app/phases/addons/dns/manifests.go; kind takes kubeadm's
    "kubeadm and kind": """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . «/etc/resolv.conf» {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
""",
    # the same at v1.11 to v1.13
    "kubeadm 1.11": """.:53 {
    errors
    health
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       upstream
       fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    proxy . «/etc/resolv.conf»
    cache 30
    loop
    reload
    loadbalance
}
""",
    # kubernetes/minikube pkg/minikube/node/start.go: kubeadm's, with `log` and a block `hosts`
    "minikube": """.:53 {
    log
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    hosts {
       192.168.49.1 host.minikube.internal
       fallthrough
    }
    forward . «/etc/resolv.conf» {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
""",
    # k3s-io/k3s manifests/coredns.yaml
    "k3s": """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . «/etc/resolv.conf»
}
import /etc/coredns/custom/*.server
""",
    # rancher/kontainer-driver-metadata rke/templates/coredns.go
    "RKE": """.:53 {
    errors
    health {
      lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . «"/etc/resolv.conf"»
    cache 30
    loop
    reload
    loadbalance
} # STUBDOMAINS - Rancher specific change
""",
    # kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers: the servers of a zone are its own
    "with a stub domain": """.:53 {
    errors
    forward . «172.16.0.1 172.16.0.2»
    cache 30
}
consul.local:53 {
    errors
    cache 30
    forward . 10.150.0.1
}
""",
    # coredns/coredns plugin/kubernetes/README.md at v1.2: upstream with servers
    "upstream with servers": """.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        upstream «/etc/resolv.conf»
        fallthrough
    }
    proxy . «/etc/resolv.conf» {
        policy sequential
    }
    proxy example.org 1.2.3.4:53
}
""",
}


@pytest.mark.parametrize("marked", SHIPPED.values(), ids=SHIPPED)
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "dos"])
def test_all_but_the_servers_stays_byte_for_byte(marked: str, ending: str) -> None:
    marked = marked.replace("\n", ending)
    corefile, expected = re.sub("[«»]", "", marked), re.sub("«.*?»", "10.0.0.2 10.0.0.3:5353", marked)
    assert with_upstreams(corefile, ["10.0.0.2", "10.0.0.3:5353"]) == expected
    assert with_upstreams(expected, ["10.0.0.2", "10.0.0.3:5353"]) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("forward . 1.1.1.1 # the office's", "forward . 8.8.8.8 8.8.4.4 # the office's"),
        ("forward . 1.1.1.1#", "forward . 8.8.8.8 8.8.4.4#"),
        ('forward "."  tls://1.1.1.1\ttls://1.0.0.1 {', 'forward "."  8.8.8.8 8.8.4.4 {'),
        ("\tforward .\t[2001:db8::1]:53  ", "\tforward .\t8.8.8.8 8.8.4.4  "),
    ],
)
def test_how_a_line_may_be_written(line: str, expected: str) -> None:
    rest = "\n}\n}\n" if line.endswith("{") else "\n}\n"
    assert with_upstreams(f". {{\n{line}{rest}", DEFAULT_SERVERS) == f". {{\n{expected}{rest}"


@pytest.mark.parametrize(
    "keys", [".", ".:53", "dns://.:53", "example.org .", "example.org,\n.", ":53", '"."']
)
def test_the_root_zone_however_it_is_written(keys: str) -> None:
    assert with_upstreams(f"{keys} {{\n forward . a\n}}", ["b"]) == f"{keys} {{\n forward . b\n}}"


@pytest.mark.parametrize(
    "corefile",
    [
        "",
        ".:53 {\n    errors\n}\n",
        "example.org {\n    forward . 10.0.0.2\n}\n",
        ".:53 {\n    # forward . /etc/resolv.conf\n    import custom/*\n}\n",
        '.:53 {\n    log . "\n    forward . /etc/resolv.conf\n"\n}\n',
        ".:53 {\n    forward example.org 10.0.0.2\n    upstream /etc/resolv.conf\n}\n",
        "(snippet) {\n    forward . /etc/resolv.conf\n}\n",
        "forward . /etc/resolv.conf",
        "}}\n{",
    ],
)
def test_a_corefile_that_forwards_nowhere_is_left_alone(corefile: str) -> None:
    with pytest.raises(ClusterError, match="no line `forward"):
        with_upstreams(corefile, DEFAULT_SERVERS)


@pytest.mark.parametrize("server", ["8.8.8.8", "10.0.0.2:5353", "2001:4860:4860::8888", "[2001:db8::1]:53"])
def test_addresses_of_servers(server: str) -> None:
    check_servers([server], most=1)


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        (["dns.google"], "'dns.google' is no address"),
        (["8.8.8"], "no address"),
        (["8.8.8.8:"], "no address"),
        (["[8.8.8.8"], "no address"),
        ([""], "no address"),
        (["/etc/resolv.conf"], "no address"),
        (["8.8.8.8", "127.0.0.53"], "127.0.0.53 is each machine itself"),
        (["[::1]:53"], "loop again"),
        (["0.0.0.0"], "loop again"),
        (["8.8.8.8"] * 4, "at most 3 servers, not 4"),
    ],
)
def test_servers_that_cannot_be_asked(servers: list[str], words: str) -> None:
    with pytest.raises(InputError) as raised:
        check_servers(servers, MOST_OF_KUBE_DNS)
    assert words in str(raised.value)


def test_kube_dns_takes_them_as_a_list() -> None:
    assert nameservers(DEFAULT_SERVERS) == '["8.8.8.8", "8.8.4.4"]'
