#!/usr/bin/env bash
# Runs every fuzz target for a while: fuzz.sh [SECONDS a target]. Needs a nightly compiler and
# cargo-fuzz. What it finds lies in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
if ! rustc +nightly --version >/dev/null 2>&1; then
    echo "fuzz: there is no nightly compiler: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! command -v cargo-fuzz >/dev/null; then
    echo "fuzz: cargo-fuzz is not installed: cargo install --locked cargo-fuzz" >&2
    exit 1
fi

# Small files that are read without an error, so that mutations begin beyond the first check. The
# tests write them, where they know how to.
mkdir -p fuzz/corpus
M2SD_SEEDS=$PWD/fuzz/corpus cargo test --quiet --no-default-features --features models \
    --test models -- --ignored fuzz::write_seeds >/dev/null

failed=()
for file in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    mkdir -p "fuzz/corpus/$target"
    echo "fuzz: $target, $seconds s"
    # A short input may neither run long nor take much memory.
    cargo +nightly fuzz run "$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 ||
        failed+=("$target")
done
[ ${#failed[@]} -eq 0 ] || {
    echo "fuzz: failed: ${failed[*]}; the inputs are in fuzz/artifacts" >&2
    exit 1
}
