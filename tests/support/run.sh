#!/usr/bin/env bash
# Runs every test and checks that those which need the real kernel and real components did run.
# usage: run.sh RELEASE_BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."
GADGETRY_RELEASE=$(readlink -f "$1")
export GADGETRY_RELEASE
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
cargo test --locked --no-fail-fast -- --nocapture --test-threads=1 2>&1 | tee "$log"
tests/support/fuzz.sh 10 2>&1 | tee -a "$log"

# A test that cannot run says "SKIPPED name: reason" and passes; too many of those would make the rest worthless. libtest has begun the
# line already ("test NAME ... ").
skipped=$(grep -c 'SKIPPED ' "$log" || true)
grep -o 'SKIPPED .*' "$log" || true
passed=$(awk '/^test result: ok\./ { n += $4 } END { print n + 0 }' "$log")
# What the table in tests/README.md says this machine shows has to have been seen.
for feature in $(awk -F ' *[|] *' '/^\| feature/ { t = 1; next } t && !/^\|/ { t = 0 } t && $3 == "x" { gsub(/ /, "~", $2); print $2 }' tests/README.md); do
    grep -qF "SEEN ${feature//\~/ }" "$log" || { echo "not seen here, although tests/README.md says so: ${feature//\~/ }"; exit 1; }
done
echo "real-component tests that could not run here: $skipped (0 allowed in CI)"
if [ "${CI:-}" = true ] && [ "$skipped" -gt 0 ]; then
    exit 1
fi
echo "$passed passed, 0 failed"
