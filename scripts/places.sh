# shellcheck shell=bash disable=SC2034 # those that source it use them
# Where install.sh puts what it installs, and uninstall.sh finds it: for this user, or for all below PREFIX;
# all of it below DESTDIR, where a package is made.

for place in "${PREFIX:-/}" "${DESTDIR:-/}"; do
    [[ $place == /* ]] || {
        echo "install: $place is no absolute path; expected PREFIX=/usr or DESTDIR=/tmp/package" >&2
        exit 1
    }
done
if [ -n "${PREFIX:-}" ]; then
    data=$PREFIX/share
    programs=$PREFIX/bin
    runtime=$PREFIX/lib/m2sd/runtime
    plugins=$PREFIX/lib/gstreamer-1.0
    # Where this system's GStreamer looks.
    [ "$PREFIX" != /usr ] || plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
else
    data=${XDG_DATA_HOME:-$HOME/.local/share}
    programs=$HOME/.local/bin
    runtime=$data/m2sd/runtime
    plugins=$data/gstreamer-1.0/plugins
fi
# As those who use them see them.
seen_plugins=$plugins seen_data=$data seen_runtime=$runtime
for place in data programs runtime plugins; do
    printf -v "$place" %s "${DESTDIR:-}${!place}"
done
manual=$data/man/man1
