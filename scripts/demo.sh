#!/usr/bin/env bash
# Runs the smallest example and shows what it made: on your cluster if it answers and BYOK8S_S3_BUCKET names a bucket,
# else on the test rig if that is up, else on this machine alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH

cluster_answers() {
  python - 2>/dev/null <<'END'
from byok8s.kube import connect
connect().get("/version", patience=5)
END
}

local=()
if [[ -n ${BYOK8S_S3_BUCKET:-} ]] && cluster_answers; then
  place="your cluster and bucket"
elif lines=$(tests/rig/env.sh 2>/dev/null); then
  eval "$lines"
  place="the test rig"
else
  local=(--local)
  unset BYOK8S_S3_BUCKET
  place="this machine alone: no cluster answers, or BYOK8S_S3_BUCKET names no bucket"
fi

cd examples/seed
echo "On $place, in examples/seed:"
echo "\$ byok8s workflow-alpha params-blue ${local[*]}"
byok8s workflow-alpha params-blue "${local[@]}"

echo
if [[ ${local[*]} ]]; then
  echo "alpha.txt there:"
  cat .byok8s/results/alpha.txt
else
  echo "alpha.txt there, as aws s3 cp s3://$BYOK8S_S3_BUCKET/alpha.txt - would show it:"
  python - <<'END'
import os
from byok8s import s3
bucket = s3.Bucket.parse(os.environ["BYOK8S_S3_BUCKET"], os.environ.get("BYOK8S_S3_ENDPOINT_URL"))
key = f"{bucket.prefix}/alpha.txt".lstrip("/")
print(s3.connect(bucket.endpoint_url).get_object(Bucket=bucket.name, Key=key)["Body"].read().decode(), end="")
END
fi
