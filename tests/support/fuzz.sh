#!/usr/bin/env bash
# fuzz.sh [SECONDS] - runs each fuzz target for so long (20 s by default), from the committed seeds and what earlier runs have found.
# What is built and found stays in ${GADGETRY_CACHE:-/var/cache/gadgetry}/fuzz: building all of it anew takes about 4 minutes on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${GADGETRY_CACHE:-/var/cache/gadgetry}
PATH=$PATH:$cache/tools/bin
if ! command -v cargo-fuzz >/dev/null || ! mkdir -p "$cache/fuzz" 2>/dev/null; then
    echo "SKIPPED fuzz: no cargo-fuzz, or $cache is not writable (tests/support/install.sh test)"
    exit 0
fi
# The instrumentation is an unstable feature, which the stable compiler takes when told to.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$cache/fuzz/target
unset RUSTFLAGS
cargo fuzz build --dev >"$cache/fuzz/build.log" 2>&1 || { tail -30 "$cache/fuzz/build.log"; exit 1; }
for target in $(cargo fuzz list); do
    work=$cache/fuzz/corpus/$target
    mkdir -p "$work" "$cache/fuzz/crashes"
    options=(-max_total_time="${1:-20}" -timeout=5 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$cache/fuzz/crashes/$target-" -print_final_stats=1 -verbosity=0)
    [ -f "fuzz/$target.dict" ] && options+=(-dict="fuzz/$target.dict")
    if ! cargo fuzz run --dev "$target" "$work" "fuzz/corpus/$target" -- "${options[@]}" >"$cache/fuzz/$target.log" 2>&1; then
        tail -40 "$cache/fuzz/$target.log"
        echo "fuzz target $target failed; its input is in $cache/fuzz/crashes" >&2
        exit 1
    fi
    echo "fuzz $target: $(awk '/number_of_executed_units/ { print $2 }' "$cache/fuzz/$target.log") runs, none failed"
done
