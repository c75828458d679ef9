#!/usr/bin/env bash
# Installs the browser in which tests/docs look at the site; exits with 3 where that cannot be done.
source "$(dirname "$0")/../rig/common.sh"
command -v chromium google-chrome >/dev/null && exit
if [[ $(id -u) != 0 ]] || ! grep -qs '^ID=debian$' /etc/os-release; then
  echo "NO BROWSER: the site is built and checked, but NOT LOOKED AT; for that, install chromium." >&2
  exit 3
fi
apt_install chromium fonts-liberation
