#!/usr/bin/env bash
# Fetches the plotting library that reports have inside, from npm: this version, and nothing else under its name.
set -euo pipefail
cd "$(dirname "$0")/.."
into=src/byok8s/report/vendor

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
scripts/from_npm.sh uplot 1.6.32 4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d "$place/uplot"
mkdir -p "$into"
cp "$place"/uplot/dist/{uPlot.iife.min.js,uPlot.min.css} "$into"
cp "$place/uplot/LICENSE" "$into/uPlot.LICENSE"
