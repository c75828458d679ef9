#!/usr/bin/env bash
# tools.sh OUT BASE: makes OUT/tools.tar, images that rules name after container:, on the layer in the folder BASE or on none:
#   localhost/byok8s/tool-debian    Debian without Python, with a variable of its own
#   localhost/byok8s/tool-python    Debian with Python, and without Snakemake; its ENTRYPOINT fails, and its user is root
#   localhost/byok8s/tool-busybox   busybox alone: no bash
#   localhost/byok8s/tool-shellless no shell at all
#   localhost/byok8s/tool-foreign   a shell for another kind of processor
# In each, /etc/tool has its name.
source "$(dirname "$0")/common.sh"
out=${1:?usage: tools.sh OUT BASE} base=$2
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get update -qq
apt-get download -qq busybox-static
dpkg-deb -x busybox-static_*.deb package

# layer NAME: makes NAME.tar of the folder NAME, with its name in it
layer() {
  mkdir -p "$1"/{etc,tmp}; echo "$1" >"$1/etc/tool"; chmod 1777 "$1/tmp"
  tar -C "$1" --owner=0 --group=0 -cf "$1.tar" .
}
# a file .wh.NAME takes away NAME of the layers below
mkdir -p debian/usr/bin python/usr/bin
for path in "$(tar -tf "$base/layer.tar" | grep -E '^\./usr/bin/(python|pydoc)')"; do
  for file in $path; do touch "debian/usr/bin/.wh.${file##*/}"; done
done
ln -s python3 python/usr/bin/python
for name in busybox shellless foreign; do
  mkdir -p $name/bin
  cp package/bin/busybox $name/bin/busybox
done
for applet in $(package/bin/busybox --list | grep -vxE 'busybox|bash'); do ln -s busybox "busybox/bin/$applet"; done
# the field e_machine of its head: another number than this machine's
printf '\x2b' | dd of=foreign/bin/busybox bs=1 seek=18 conv=notrunc status=none
ln -s busybox foreign/bin/sh
for name in debian python busybox shellless foreign; do layer $name; done

PYTHONPATH=$rig /usr/bin/python3 - "$out/tools.tar" "$base/layer.tar" <<'END'
import sys, tarfile, json
from pathlib import Path
from oci_image import add_bytes, add_layer, image_config

out, base = sys.argv[1:]
ENV = ["PATH=/usr/local/bin:/usr/bin:/bin", "OF_IMAGE=yes"]
MORE = {"python": {"Entrypoint": ["/bin/false"], "User": "root"}}
manifest = []
with tarfile.open(out, "w") as archive:
    for name in ("debian", "python", "busybox", "shellless", "foreign"):
        layers = [base] if name in ("debian", "python") else []
        digests = [add_layer(archive, Path(layer)) for layer in [*layers, f"{name}.tar"]]
        config = json.loads(image_config(digests, ENV, "/bin/sh"))
        config["config"] |= MORE.get(name, {})
        add_bytes(archive, f"{name}.json", json.dumps(config).encode())
        tag = f"localhost/byok8s/tool-{name}:rig"
        manifest.append({"Config": f"{name}.json", "RepoTags": [tag], "Layers": [f"{d}.tar" for d in digests]})
    add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
END
