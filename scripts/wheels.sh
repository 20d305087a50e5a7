#!/usr/bin/env bash
# Downloads wheels with pip, whatever index it is set up for: wheels.sh PINS FOLDER. PINS is a
# requirements file with a hash for each; FOLDER holds these wheels afterwards and no others. The
# tags (CPython 3.12) name which file is meant, not which Python is needed.
# Ends with 3 where a wheel has another hash.
set -euo pipefail
# shellcheck source=scripts/stamp.sh
. "$(dirname "$0")/stamp.sh"

pins=$1 folder=$2
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT

failed() {
    local status=$?
    cat "$work/said" >&2
    if grep -q 'DO NOT MATCH THE HASHES' "$work/said"; then
        echo "wheels: a wheel is not the file whose hash $pins pins, see above: it was replaced where" \
            "it comes from, or the pin is wrong. Nothing of it was kept" >&2
        exit 3
    fi
    exit "$status"
}

python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_35_$(uname -m)" \
    --dest "$work/wheels" --requirement "$pins" \
    2>"$work/said" || failed
cat "$work/said" >&2
stamp "$pins" "$work/wheels"
# In place at once or not at all: the pins move together with what they stand for.
rm -rf "$folder"
mv "$work/wheels" "$folder"
