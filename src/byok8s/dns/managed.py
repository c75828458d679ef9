"""Whose the cluster's DNS is. Values in, words out.

A provider sets back what is changed in a DNS that it manages, at the next upgrade at the latest, and has a way of its
own to have it changed. A DNS that the cluster's owner runs, as kubeadm, minikube, kind and self-managed EKS leave it,
is nobody's of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from byok8s.kube.objects import Object, items, mapping, text


@dataclass(frozen=True)
class Signs:
    """What tells of a provider.

    version: the API server's gitVersion. tags: labels and annotations of the DNS' objects. configuration: those of its
    ConfigMap alone. managers: who has written into any of them
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers).
    """

    version: str
    tags: Mapping[str, str]
    configuration: Mapping[str, str]
    managers: frozenset[str]


@dataclass(frozen=True)
class Provider:
    """Who manages the DNS. instead: what this provider wants, in place of a change of the DNS' own configuration."""

    name: str
    instead: str
    recognised: Callable[[Signs], bool]


def _has(prefix: str, value: str = "") -> Callable[[Signs], bool]:
    return lambda signs: any(
        tag.startswith(prefix) and said.startswith(value) for tag, said in signs.tags.items()
    )


PROVIDERS = (
    Provider(
        "GKE",
        "set stubDomains or upstreamNameservers in the ConfigMap kube-dns (that of an Autopilot cluster is fixed), "
        "or use Cloud DNS: https://cloud.google.com/kubernetes-engine/docs/how-to/kube-dns",
        # https://cloud.google.com/kubernetes-engine/versioning: 1.27.3-gke.100
        lambda signs: "-gke." in signs.version,
    ),
    Provider(
        "EKS",
        "give the add-on its Corefile: aws eks update-addon --cluster-name CLUSTER --addon-name coredns "
        '--configuration-values \'{"corefile": "…"}\': '
        "https://docs.aws.amazon.com/eks/latest/userguide/coredns-add-on-update.html",
        # What the add-on manages is written by the manager `eks`; in a self-managed CoreDNS it has written nothing.
        # https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-field-management.html
        lambda signs: "-eks-" in signs.version and "eks" in signs.managers,
    ),
    Provider(
        "AKS",
        "put servers into the ConfigMap coredns-custom of kube-system, in a key that ends in .server or .override: "
        "https://learn.microsoft.com/azure/aks/coredns-custom",
        # the label of AKS' own pods: https://learn.microsoft.com/azure/aks/use-managed-identity
        _has("kubernetes.azure.com/managedby", "aks"),
    ),
    Provider(
        "DigitalOcean",
        "put servers into the ConfigMap coredns-custom of kube-system, in a key that ends in .server or .override: "
        "https://docs.digitalocean.com/products/kubernetes/details/managed/",
        # the label of all that is managed there: https://docs.digitalocean.com/products/kubernetes/how-to/autoscale/
        _has("doks.digitalocean.com/managed", "true"),
    ),
    Provider(
        "k3s",
        "start k3s with --resolv-conf=FILE, a file that names the servers, or use the ConfigMap coredns-custom: "
        "https://docs.k3s.io/advanced",
        # its manifests are applied again at each start: https://github.com/k3s-io/k3s/issues/2214
        _has("objectset.rio.cattle.io/owner-gvk", "k3s.cattle.io/"),
    ),
    Provider(
        "RKE2",
        "change the chart rke2-coredns with a HelmChartConfig: "
        "https://docs.rke2.io/networking/networking_services#coredns",
        _has("meta.helm.sh/release-name", "rke2-coredns"),
    ),
    Provider(
        "Gardener",
        "put servers into the ConfigMap coredns-custom of kube-system: "
        "https://gardener.cloud/docs/gardener/custom-dns-config/",
        _has("resources.gardener.cloud/managed-by", "gardener"),
    ),
    Provider(
        "the cluster's add-on manager",
        "change its manifest on the control plane: what is changed in the cluster it sets back",
        # https://github.com/kubernetes/kubernetes/blob/master/cluster/addons/addon-manager/README.md
        lambda signs: signs.configuration.get("addonmanager.kubernetes.io/mode") == "Reconcile",
    ),
)


def provider(signs: Signs) -> Provider | None:
    """Who manages this DNS; None if that is the cluster's owner, or nothing tells of anybody."""
    return next((found for found in PROVIDERS if found.recognised(signs)), None)


def out_of_sight(version: str, groups: Sequence[str]) -> str:
    """Who runs the DNS of a cluster without pods of one in kube-system; empty if nothing tells of anybody.

    groups: those of the API. Cloud DNS for GKE (https://cloud.google.com/kubernetes-engine/docs/how-to/cloud-dns) and
    Auto Mode of EKS (https://docs.aws.amazon.com/eks/latest/userguide/auto-networking.html) run it outside of pods,
    OpenShift in the namespace openshift-dns (https://github.com/openshift/cluster-dns-operator).
    """
    if "-gke." in version:
        return "GKE"
    if "-eks-" in version:
        return "EKS"
    return "OpenShift" if "operator.openshift.io" in groups else ""


def signs(version: str, objects: Sequence[Object], config_map: Object) -> Signs:
    """objects: those that the DNS is made of."""
    found = [*objects, config_map]
    tags = {name: said for obj in found for name, said in _tags(obj).items()}
    fields = [entry for obj in found for entry in items(obj, "metadata", "managedFields")]
    return Signs(version, tags, _tags(config_map), frozenset(text(entry, "manager") for entry in fields))


def _tags(obj: Object) -> dict[str, str]:
    both = mapping(obj, "metadata", "labels") | mapping(obj, "metadata", "annotations")
    return {name: str(said) for name, said in both.items()}
