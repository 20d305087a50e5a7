#!/usr/bin/env bash
# Downloads wheels with pip, whatever index it is set up for: wheels.sh PINS FOLDER. PINS is a
# requirements file with a hash for each; FOLDER holds these wheels afterwards and no others. The
# tags (CPython 3.12) name which file is meant, not which Python is needed.
set -euo pipefail

pins=$1 folder=$2
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform "manylinux_2_28_$(uname -m)" --dest "$work/wheels" --requirement "$pins"
cp "$pins" "$work/wheels/pins.txt"
# In place at once or not at all: the pins move together with what they stand for.
rm -rf "$folder"
mv "$work/wheels" "$folder"
