#!/usr/bin/env bash
# Removes what scripts/install.sh has put there with the same PREFIX and DESTDIR. Models that somebody
# else added stay, and are told.
set -euo pipefail
# shellcheck source=scripts/places.sh
. "$(dirname "$0")/places.sh"

rm -f "$plugins/libgstm2sd.so" "$programs/m2sd" \
    "$data/bash-completion/completions/m2sd" "$data/zsh/site-functions/_m2sd" \
    "$data/fish/vendor_completions.d/m2sd.fish"
rm -f "$manual/m2sd.1" "$manual"/m2sd-*.1
rm -rf "$runtime" "$runtime.new"
if [ -f "$data/m2sd/installed-engines" ]; then
    while IFS= read -r name; do
        # A name, and no path.
        [ -z "$name" ] || rm -f "$data/m2sd/engines/${name##*/}"
    done <"$data/m2sd/installed-engines"
    rm -f "$data/m2sd/installed-engines"
fi
engines=$data/m2sd/engines
if [ -d "$engines" ] && ! find "$engines" -mindepth 1 ! -name models.lock | grep -q .; then
    rm -rf "$engines"
fi
# Folders that are empty now, up to the ones that others share.
folders=("$(dirname "$runtime")" "$plugins")
[ -n "${PREFIX:-}" ] || folders+=("$(dirname "$plugins")")
for folder in "${folders[@]}" "$data/m2sd" "$manual" "$data/man" \
    "$data/bash-completion/completions" "$data/bash-completion" "$data/zsh/site-functions" "$data/zsh" \
    "$data/fish/vendor_completions.d" "$data/fish"; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
done
if [ -d "$data/m2sd" ]; then
    echo "uninstalled; left, as others put it there: $data/m2sd"
else
    echo "uninstalled"
fi
