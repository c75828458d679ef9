#!/usr/bin/env bash
# from_npm.sh NAME VERSION SHA256 FOLDER: puts a package of npm there, if its archive has that checksum.
set -euo pipefail
name=$1 version=$2 sum=$3 folder=$4

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm pack --silent "$name@$version" >/dev/null)
echo "$sum  $place/$name-$version.tgz" | sha256sum --check --quiet
tar -xzf "$place/$name-$version.tgz" -C "$place"
mkdir -p "$(dirname "$folder")"
# whole or not at all
cp -R "$place/package" "$folder.$$"
mv -T "$folder.$$" "$folder" 2>/dev/null || { rm -rf "$folder.$$"; [[ -d $folder ]]; }
