#!/usr/bin/env bash
# Installs for this user: the plugin where GStreamer looks, the command where programs are, networks
# and ONNX Runtime where both look.
set -euo pipefail
cd "$(dirname "$0")/.."

# At least what set-up has brought.
compgen -G 'engines/*.onnx' >/dev/null ||
    target/release/m2sd models import .wheels/networks/*.whl || true

data=${XDG_DATA_HOME:-$HOME/.local/share}
plugins=$data/gstreamer-1.0/plugins
programs=$HOME/.local/bin

manual=$data/man/man1
mkdir -p "$plugins" "$programs" "$data/m2sd/engines"
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
rm -rf "$data/m2sd/runtime.new"
cp -R .runtime "$data/m2sd/runtime.new"
rm -rf "$data/m2sd/runtime"
mv "$data/m2sd/runtime.new" "$data/m2sd/runtime"
target/release/m2sd man "$manual"
complete() {
    mkdir -p "$data/$2"
    target/release/m2sd completions "$1" >"$data/$2/$3"
}
complete bash bash-completion/completions m2sd
complete zsh zsh/site-functions _m2sd
complete fish fish/vendor_completions.d m2sd.fish
# Models that this put there, for uninstall: others are somebody's own.
copied -printf '%f\n' | sort -u - "$data/m2sd/installed-engines" 2>/dev/null >"$data/m2sd/installed.new" || true
mv "$data/m2sd/installed.new" "$data/m2sd/installed-engines"
echo "installed: $plugins/libgstm2sd.so, $programs/m2sd, $data/m2sd/engines, $data/m2sd/runtime, $manual, completions"
