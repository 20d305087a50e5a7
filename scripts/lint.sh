#!/usr/bin/env bash
# Formatting, documentation and what it names, and clippy with every warning an error on default, no and all features.
set -euo pipefail
cd "$(dirname "$0")/.."

clippy() {
    cargo clippy --quiet --all-targets "$@" -- -D warnings
}

# The feature v1_24 needs GStreamer 1.24 to link. Where an older one is installed, its types are
# checked all the same: clippy links nothing, so the package files may claim what they like. In a folder of
# its own, so that what is built for the installed one stays; where nothing is built yet (.ci/run), what does not
# hang on GStreamer is checked once for both.
claim_gstreamer_1_24() {
    local folder=$PWD/target/v1_24/pkgconfig installed file
    installed=$(pkg-config --variable=pcfiledir gstreamer-1.0)
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in "$installed"/gstreamer-*1.0.pc; do
        sed 's/^Version:.*/Version: 1.24.0/' "$file" >"$folder/${file##*/}"
    done
    sed 's/^Name:.*/Name: GStreamer analytics/; s/-lgstvideo/-lgstanalytics/' \
        "$folder/gstreamer-video-1.0.pc" >"$folder/gstreamer-analytics-1.0.pc"
    export PKG_CONFIG_PATH=$folder
    [ -n "${M2SD_CLEAN_CLONE:-}" ] || export CARGO_TARGET_DIR=target/v1_24
}

cargo fmt --check
scripts/named.py
if command -v shellcheck >/dev/null; then
    shellcheck scripts/*.sh .ci/run
fi
clippy
clippy --no-default-features
# Every storey stands without those above it, and so do its tests.
for storey in measure evidence c2pa pdf events models infer kserve plugin publish watch; do
    cargo clippy --quiet --lib --tests --no-default-features --features "$storey" -- -D warnings
done
# Links that lead nowhere, and other faults of the documentation.
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --quiet --no-deps --lib
pkg-config --atleast-version=1.24 gstreamer-analytics-1.0 2>/dev/null || claim_gstreamer_1_24
clippy --all-features
