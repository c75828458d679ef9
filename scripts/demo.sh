#!/usr/bin/env bash
# Runs the smallest example and shows what it made: on your cluster if it answers and BYOK8S_S3_BUCKET names a bucket,
# else on the test rig if that is up, else on this machine alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH

cluster_answers() {
  python - 2>/dev/null <<'END'
from kubernetes import client, config
config.load_kube_config()
client.VersionApi().get_code(_request_timeout=5)
END
}

command=(byok8s workflow-alpha params-blue)
if [[ -n ${BYOK8S_S3_BUCKET:-} ]] && cluster_answers; then
  place="your cluster and bucket"
elif lines=$(tests/rig/env.sh 2>/dev/null); then
  eval "$lines"
  place="the test rig"
else
  command+=(--local)
  place="this machine: no cluster answers, or BYOK8S_S3_BUCKET is not set"
fi

cd examples/seed
echo "On $place, in examples/seed:"
echo "\$ ${command[*]}"
output=$(mktemp); trap 'rm "$output"' EXIT
"${command[@]}" 2>&1 | tee "$output"

# the last word of the output that names the result's place
result=$(grep -oE '[^[:space:]]*alpha\.txt' "$output" | tail -n 1 || true)
echo
echo "The result, $result:"
case $result in
  s3://*)
    python - "$result" <<'END'
import os, sys
import boto3
bucket, _, key = sys.argv[1].removeprefix("s3://").partition("/")
s3 = boto3.client("s3", endpoint_url=os.environ.get("BYOK8S_S3_ENDPOINT_URL"))
print(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(), end="")
END
    ;;
  *) cat "$result" ;;
esac
