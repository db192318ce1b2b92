#!/usr/bin/env bash
# build-kubernetes.sh OUT: puts kube-apiserver, kube-controller-manager, kube-scheduler and kubelet 1.20.2 into OUT, built from Debian's source
# package, which has every dependency in it. Debian's binary packages have kubectl only. Takes 6 to 15 minutes; 3 GB below OUT meanwhile.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(readlink -f "$1")
work=$out/work
mkdir -p "$work/source" "$work/home" "$work/go"

SRC=1 "$here/debfetch.sh" bookworm "$work" kubernetes
tar -xzf "$work"/kubernetes_*.orig.tar.gz -C "$work/source" --strip-components=1
# The vendored reflect2 looks into Go's run time in a way that Go 1.18 broke: the API server dies at the first custom resource. A newer one does not.
"$here/debfetch.sh" bookworm "$work/reflect2" golang-github-modern-go-reflect2-dev
vendored=$work/source/vendor/github.com/modern-go/reflect2
rm -f "$vendored"/*.go "$vendored"/*.s
cp "$work"/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$vendored"/
rm -f "$vendored"/*_test.go

# There is no git tree to ask for the version.
printf 'KUBE_GIT_%s\n' COMMIT=unknown TREE_STATE=archive VERSION=v1.20.2 MAJOR=1 MINOR=20 >"$work/version"
export HOME=$work/home GOPATH=$work/go GOPROXY=off CGO_ENABLED=0 GOLDFLAGS="-s -w" PATH=/usr/lib/go-1.19/bin:$PATH
export KUBE_GIT_VERSION_FILE=$work/version KUBE_BUILD_PLATFORMS=linux/amd64
cd "$work/source"
make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler cmd/kubelet"
cp _output/local/bin/linux/amd64/kube{-apiserver,-controller-manager,-scheduler,let} "$out"/
cd "$out"
# Go makes its module cache read-only.
chmod -R u+w "$work"
rm -r "$work"
