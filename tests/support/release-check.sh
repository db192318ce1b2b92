#!/usr/bin/env bash
# Shows what the release is and fails unless it is one static binary: no interpreter, no shared library.
set -euo pipefail
binary=$1
if LC_ALL=C readelf -l "$binary" | grep -q 'INTERP' || LC_ALL=C readelf -d "$binary" | grep -q 'NEEDED'; then
    echo "$binary is not static" >&2
    exit 1
fi
bytes=$(stat -c %s "$binary")
printf '%s: static, %d.%d MiB\n' "$binary" $((bytes / 1048576)) $((bytes % 1048576 * 10 / 1048576))
