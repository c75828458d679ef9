#!/usr/bin/env bash
# Fetches the plotting library that reports have inside, from npm: this version, and nothing else under its name.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.6.32
sum=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d
into=src/byok8s/report/vendor

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm pack --silent "uplot@$version" >/dev/null)
echo "$sum  $place/uplot-$version.tgz" | sha256sum --check --quiet
tar -xzf "$place/uplot-$version.tgz" -C "$place"
mkdir -p "$into"
cp "$place"/package/dist/{uPlot.iife.min.js,uPlot.min.css} "$into"
cp "$place/package/LICENSE" "$into/uPlot.LICENSE"
