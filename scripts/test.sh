#!/usr/bin/env bash
# Every test that can run here: test.sh [ARGUMENTS of cargo test…].
set -euo pipefail
cd "$(dirname "$0")/.."

data=${M2SD_SHARED-../shared}
features="harness $(scripts/features.sh)"
# Where no data is promised (M2SD_SHARED is set, to nothing), and on a desk that has none, the tests
# that compare with it are left out. In CI they would fail, and say why.
if [ ! -d "$data/golden" ] && { [ -z "$data" ] || [ "${CI:-}" != true ]; }; then
    echo "test: no test data in ${data:-M2SD_SHARED, which is empty}: the tests whose names begin" \
        "with golden_ are left out (docs/testing.md)" >&2
    exec cargo test --features "$features" "$@" -- --skip golden_
fi
exec cargo test --features "$features" "$@"
