#!/usr/bin/env bash
# Prints the shell lines that make `byok8s WORKFLOW PARAMS`, and the tests, use the running rig.
source "$(dirname "$0")/common.sh"
for name in "${processes[@]}"; do
  running "$name" || die "not up: run \`make rig-up\`"
done
cat "$state/s3.env"
cat <<END
export KUBECONFIG=$state/kubeconfig
export BYOK8S_S3_BUCKET=$bucket
export BYOK8S_S3_ENDPOINT_URL=http://$address:8333
export BYOK8S_IMAGE=localhost/byok8s/worker:rig
export BYOK8S_TEST_KUBECONFIG=$state/kubeconfig
export BYOK8S_TEST_MINIMAL_IMAGE=localhost/byok8s/snakemake-minimal:rig
export BYOK8S_TEST_CORPUS_IMAGE=localhost/byok8s/corpus:rig
export BYOK8S_TEST_METAGENOMICS_IMAGE=localhost/byok8s/metagenomics:rig
export BYOK8S_TEST_TOOL_IMAGES=localhost/byok8s/tool-%s:rig
export BYOK8S_TEST_IMAGE_ARCHIVE=$(cat "$state/containerd/imported-images.tar")
export BYOK8S_TEST_TOOL_ARCHIVE=$(cat "$state/containerd/imported-tools.tar")
export BYOK8S_TEST_LANGUAGE_ARCHIVE=$(cat "$state/containerd/imported-languages.tar")
export BYOK8S_TEST_AUDIT_LOG=$state/log/audit.log
export PATH=$tree/.venv/bin:\$PATH
END
