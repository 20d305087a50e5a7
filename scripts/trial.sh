#!/usr/bin/env bash
# Trials that take minutes, against real servers: trial.sh [ARGUMENTS of the test program…].
set -euo pipefail
cd "$(dirname "$0")/.."

RUST_BACKTRACE=0 cargo test --features harness --test trial -- --ignored --nocapture "$@"
