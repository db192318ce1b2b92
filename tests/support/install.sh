#!/usr/bin/env bash
# Installs the Debian packages that a build (`build`) or the tests (`test`) need and that are missing. Quiet when nothing is.
set -euo pipefail

build=(clang-16 llvm-16 make gcc libc6-dev)
test=(docker.io containerd runc iptables prometheus busybox-static python3-venv procps curl)

case "${1:-}" in
build) want=("${build[@]}") ;;
test) want=("${build[@]}" "${test[@]}") ;;
*) echo "usage: $0 build|test" >&2; exit 64 ;;
esac

missing=()
for package in "${want[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null || { echo "missing: ${missing[*]} (and no apt-get to install them)" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "missing: ${missing[*]}; run: sudo apt-get install ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
