#!/usr/bin/env bash
# Installs the Debian packages that a build (`build`) or the tests (`test`) need and that are missing. Quiet when nothing is.
# The tests also want receivers and kernels that Debian 12 does not have; they are unpacked into ${GADGETRY_CACHE:-/var/cache/gadgetry}, nothing
# of the system changes. One that cannot be had is no error here: its tests say that they are skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${GADGETRY_CACHE:-/var/cache/gadgetry}

build=(clang-16 llvm-16 make gcc libc6-dev)
test=(clang-14 clang-19 g++ docker.io containerd runc containernetworking-plugins iptables prometheus busybox-static python3-venv procps curl xz-utils
    docker-registry skopeo apache2-utils openssl bpftool
    golang-1.19-go rsync jq dpkg-dev etcd-server iproute2)

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

# cached NAME FILE FETCH [ARG...]: runs FETCH with a new folder, this script's folder and ARGs unless FILE is in the cache, and moves the
# folder there when it is whole.
cached() {
    local name=$1 file=$2 fetch=$3
    shift 3
    [ -e "$cache/$name/$file" ] && return
    echo "fetching $name into $cache"
    rm -rf "$cache/$name" "$cache/$name.new"
    # In a shell of its own, since `set -e` does not hold within a condition.
    if bash -euo pipefail -c "$(declare -f "$fetch"); $fetch \"\$@\"" fetch "$cache/$name.new" "$here" "$@" >"$cache/$name.log" 2>&1 &&
        [ -e "$cache/$name.new/$file" ]; then
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

# Takes about a minute to build.
fetch_fuzzer() {
    cargo install -q --locked --root "$1" "cargo-fuzz@0.13.2"
}

# The one of Debian 12 is too old to take OTLP.
fetch_victoria_metrics() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" trixie "$1" victoria-metrics
}

# What many users run; its scrapes ask in other words than those of Debian 12's.
fetch_prometheus_3() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" sid "$1" prometheus
}

# What others move and sign images with.
fetch_image_tools() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" trixie "$1" cosign oras
}

# cosign 3 signs in another form than cosign 2.
fetch_newer_image_tools() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" sid "$1" cosign notation
}

# Debian 12 has containerd 1.6; these speak another generation of its protocols each.
fetch_containerd() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/debfetch.sh" "$3" "$1" containerd
}

# fetch_kernel FOLDER HERE SUITE PATTERN: the newest kernel of a suite whose package's name matches; only its image is kept, and the
# modules that containers' networks and file systems need.
fetch_kernel() {
    local state package
    state=$(dirname "$1")/debfetch
    DEBFETCH_STATE=$state "$2/debfetch.sh" "$3" "$1"
    package=$(APT_CONFIG=$state/$3/apt.conf apt-cache search --names-only "$4" | cut -d' ' -f1 | sort -V | tail -1)
    DEBFETCH_STATE=$state "$2/debfetch.sh" "$3" "$1/unpacked" "$package"
    # New kernels have their modules in a package of their own.
    case $package in linux-binary-*) DEBFETCH_STATE=$state "$2/debfetch.sh" "$3" "$1/unpacked" "${package/binary/modules}" ;; esac
    find "$1/unpacked" -name 'vmlinuz*' -type f -exec mv {} "$1/vmlinuz" \;
    mkdir "$1/modules"
    find "$1/unpacked" \( -name 'veth.ko*' -o -name 'sch_ingress.ko*' -o -name 'cls_bpf.ko*' -o -name 'overlay.ko*' \) -exec mv {} "$1/modules" \;
    find "$1/modules" -name '*.xz' -exec xz -d {} +
    rm -r "$1/unpacked"
}

# Takes 6 to 15 minutes, once; see the script.
fetch_kubernetes() {
    DEBFETCH_STATE="$(dirname "$1")/debfetch" "$2/build-kubernetes.sh" "$1"
}

# QEMU of the backports: Debian 12's own would not go with newer qemu-utils. Without it the tests on other kernels are skipped.
qemu() {
    command -v qemu-system-x86_64 >/dev/null && return
    local list=/etc/apt/sources.list.d/debian.sources uri
    uri=$(awk '/^URIs:/{u=$2} /^Suites:/&&!/-security/{print u; exit}' $list 2>/dev/null || true)
    [ -n "$uri" ] || { echo "no Debian mirror in $list, so no QEMU: the tests on other kernels will be skipped" >&2; return; }
    printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
        "$uri" >/etc/apt/sources.list.d/gadgetry-backports.sources
    echo "installing qemu-system-x86"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t bookworm-backports qemu-system-x86; } \
        >/dev/null || echo "cannot install QEMU: the tests on other kernels will be skipped" >&2
}

packages "${want[@]}"
if [ "$1" = test ]; then
    [ -w "$cache" ] || mkdir -p "$cache" || { echo "set GADGETRY_CACHE to a folder for the receivers and kernels that the tests need" >&2; exit 0; }
    qemu
    # For modules from Rust; without it the tests check what is said instead.
    rustc --print target-libdir --target wasm32-wasip1 2>/dev/null | xargs -r test -d || rustup -q target add wasm32-wasip1 >/dev/null 2>&1 || true
    cached tools bin/cargo-fuzz fetch_fuzzer
    cached rotel rotel-agent fetch_rotel
    cached victoria-metrics usr/bin/victoria-metrics fetch_victoria_metrics
    cached prometheus-3 usr/bin/prometheus fetch_prometheus_3
    cached image-tools usr/bin/cosign fetch_image_tools
    cached newer-image-tools usr/bin/notation fetch_newer_image_tools
    cached containerd-1.7 usr/bin/containerd fetch_containerd trixie
    cached containerd-2 usr/bin/containerd fetch_containerd sid
    cached kernel-5.10 modules/overlay.ko fetch_kernel bullseye '^linux-image-5\.10\.0-[0-9]+-cloud-amd64$'
    cached kernel-6.1 modules/overlay.ko fetch_kernel bookworm-security '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$'
    cached kernel-6.12 modules/overlay.ko fetch_kernel bookworm-security '^linux-image-6\.12\.[0-9]+.deb12-cloud-amd64$'
    cached kernel-newest modules/overlay.ko fetch_kernel trixie-backports '^linux-binary-[0-9.]+.deb13-cloud-amd64$'
    cached kubernetes kubelet fetch_kubernetes
fi
