#!/usr/bin/env bash
# kubernetes.sh OUT: builds kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and the pause image
# from Debian's own source package (1.20.2). Debian's binary packages hold only kubectl.
source "$(dirname "$0")/common.sh"
out=${1:?usage: kubernetes.sh OUT}
work=$(mktemp -d); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
apt_install golang-go golang-github-modern-go-reflect2-dev gcc libc6-dev ca-certificates dpkg-dev
apt-get update -qq

# A source index of our own: the machine's apt configuration usually lists binary packages only, and stays as it is.
mkdir -p "$work"/apt/lists/partial "$work"/apt/archives/partial
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_archive) bookworm main" >"$work/apt/sources.list"
sources=(-qq -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::Lists=$work/apt/lists"
         -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=root)
apt-get "${sources[@]}" update
(cd "$work" && apt-get "${sources[@]}" source --download-only kubernetes)

# GOPATH mode, because Go newer than 1.16 refuses the vendored go.mod.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin GO111MODULE=off GOPATH=$work/gopath GOCACHE=$work/go-cache CGO_ENABLED=0
unset GOFLAGS GOROOT
mkdir -p "$GOPATH/src/k8s.io/kubernetes"; cd "$GOPATH/src/k8s.io/kubernetes"
tar --strip-components=1 -xzf "$work"/kubernetes_*.orig.tar.gz

# The vendored reflect2 1.0.1 reads Go's maps by a layout that Go 1.18 changed: the API server would crash at random
# ("unexpected fault address", in mapiternext). Debian packages the mended 1.0.2.
rm -r vendor/github.com/modern-go/reflect2
cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/reflect2

# The tarball lacks the generated OpenAPI definitions that kube-apiserver is built with.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
packages=$(grep -rl --include='*.go' '+k8s:openapi-gen=' vendor/k8s.io/*/ staging/src/k8s.io/*/ pkg cmd |
  xargs -n1 dirname | sed 's#^staging/src/#vendor/#' | grep -vE 'sample|_examples|testdata|code-generator' |
  LC_ALL=C sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
"$work/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi \
  -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations"

# The version is stamped under the vendored path, else the server calls itself v0.0.0.
base=k8s.io/kubernetes/vendor/k8s.io
version="-X $base/component-base/version.gitVersion=v1.20.2 -X $base/component-base/version.gitMajor=1
         -X $base/component-base/version.gitMinor=20 -X $base/client-go/pkg/version.gitVersion=v1.20.2"
# Without the cloud providers' SDKs and dockershim there is half as much to compile, and nothing here uses them.
go build -tags providerless,dockerless -trimpath -ldflags "-s -w ${version//$'\n'/ }" -o "$out/" \
  ./cmd/kube-apiserver ./cmd/kube-controller-manager ./cmd/kube-scheduler ./cmd/kubelet

# The pause container is one static program: an image with nothing else in it.
mkdir "$work/pause"
gcc -Os -static -DVERSION=3.2 -o "$work/pause/pause" build/pause/linux/pause.c
tar -C "$work/pause" --owner=0 --group=0 -cf "$work/pause.tar" pause
/usr/bin/python3 "$rig/oci_image.py" "$out/pause.tar" --command /pause --image localhost/byok8s/pause:rig "$work/pause.tar"
