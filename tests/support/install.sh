#!/usr/bin/env bash
# Installs the Debian packages that a build (`build`) or the tests (`test`) need and that are missing. Quiet when nothing is.
# The tests also want receivers that Debian 12 does not have; they are unpacked into ${GADGETRY_CACHE:-/var/cache/gadgetry}, nothing
# of the system changes. One that cannot be had is no error here: its tests say that they are skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${GADGETRY_CACHE:-/var/cache/gadgetry}

build=(clang-16 llvm-16 make gcc libc6-dev)
test=(docker.io containerd runc iptables prometheus busybox-static python3-venv procps curl)

case "${1:-}" in
build) want=("${build[@]}") ;;
test) want=("${build[@]}" "${test[@]}") ;;
*) echo "usage: $0 build|test" >&2; exit 64 ;;
esac


packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || { echo "missing: ${missing[*]} (and no apt-get to install them)" >&2; exit 1; }
    [ "$(id -u)" -eq 0 ] || { echo "missing: ${missing[*]}; run: sudo apt-get install ${missing[*]}" >&2; exit 1; }
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# receiver NAME PROGRAM FETCH: runs FETCH with an empty folder unless PROGRAM is in the cache, and moves the folder there when it is whole.
receiver() {
    local name=$1 program=$2 fetch=$3
    [ -x "$cache/$name/$program" ] && return
    echo "fetching $name into $cache"
    rm -rf "$cache/$name" "$cache/$name.new"
    # In a shell of its own, since `set -e` does not hold within a condition.
    if bash -euo pipefail -c "$(declare -f "$fetch"); $fetch \"\$@\"" fetch "$cache/$name.new" "$here" >"$cache/$name.log" 2>&1 &&
        [ -x "$cache/$name.new/$program" ]; then
        mv "$cache/$name.new" "$cache/$name"
    else
        rm -rf "$cache/$name.new"
        echo "cannot fetch $name, its tests will be skipped; see $cache/$name.log" >&2
    fi
}

# An OTLP collector in Rust. Its package is a Python extension that carries the program.
fetch_rotel() {
    mkdir -p "$1/venv"
    /usr/bin/python3 -m venv "$1/venv"
    "$1/venv/bin/pip" install -q --no-deps --only-binary :all: "rotel==0.0.1a15"
    cp "$1"/venv/lib/python3*/site-packages/rotel/rotel-agent "$1/rotel-agent"
    chmod +x "$1/rotel-agent"
    rm -r "$1/venv"
}

# The one of Debian 12 is too old to take OTLP.
fetch_victoria_metrics() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" trixie "$1" victoria-metrics
}

# What many users run; its scrapes ask in other words than those of Debian 12's.
fetch_prometheus_3() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" sid "$1" prometheus
}

packages "${want[@]}"
if [ "$1" = test ]; then
    [ -w "$cache" ] || mkdir -p "$cache" || { echo "set GADGETRY_CACHE to a folder for the receivers that the tests need" >&2; exit 0; }
    receiver rotel rotel-agent fetch_rotel
    receiver victoria-metrics usr/bin/victoria-metrics fetch_victoria_metrics
    receiver prometheus-3 usr/bin/prometheus fetch_prometheus_3
fi
