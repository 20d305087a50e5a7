#!/usr/bin/env bash
# Builds and tests with GStreamer 1.26, feature v1_24 included, in a Debian trixie chroot:
# trixie.sh [COMMAND…]. Needs root and mmdebstrap; the chroot (1.4 GB) is made once, in
# $M2SD_TRIXIE, else target/trixie.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=$PWD
trixie=${M2SD_TRIXIE:-$repository/target/trixie}
shared=$(realpath -m "${M2SD_SHARED:-$repository/../shared}")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

packages=(
    gcc libc6-dev pkgconf ca-certificates
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libcairo2-dev libgstrtspserver-1.0-dev
    libgstreamer-plugins-bad1.0-0
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
    fonts-dejavu-core
)

make_chroot() {
    local include work=$trixie.new
    include=$(IFS=, && echo "${packages[*]}")
    rm -rf --one-file-system "$work"
    mkdir -p "$(dirname "$trixie")"
    # Of the development files of plugins-bad only headers and .pc files are needed: installing
    # the package would bring OpenCV along, 1.3 GB.
    # In a mount namespace of its own, so that a run cut short leaves nothing mounted.
    # shellcheck disable=SC2016 # for the hook's shell
    unshare --mount --propagation private mmdebstrap --variant=minbase --include="$include" \
        --customize-hook='cd "$1/tmp" &&
            APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download libgstreamer-plugins-bad1.0-dev &&
            dpkg-deb -x libgstreamer-plugins-bad1.0-dev_*.deb "$1" &&
            rm libgstreamer-plugins-bad1.0-dev_*.deb' \
        trixie "$work"
    echo "${packages[*]}" >"$work/packages"
    # In place at once or not at all.
    rm -rf --one-file-system "$trixie"
    mv "$work" "$trixie"
}

# Runs in a mount namespace of its own: what it binds is gone when it ends.
run_inside() {
    local folder
    for folder in "$repository" "$cargo_home" "$rustup_home" /proc /dev "$shared"; do
        [ -d "$folder" ] || continue
        mkdir -p "$trixie$folder"
        mount --bind "$folder" "$trixie$folder"
    done
    # shellcheck disable=SC2016 # its own arguments are meant
    exec chroot "$trixie" env -i HOME="$HOME" PATH="$PATH" TERM="${TERM:-dumb}" \
        CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" M2SD_SHARED="$shared" \
        CARGO_TARGET_DIR="$repository/target/gstreamer-1.26" CI="${CI:-}" \
        M2SD_RUNTIME="$repository/.runtime" \
        bash -c 'cd "$1" && shift && exec "$@"' bash "$repository" "$@"
}

if [ "${1:-}" = --inside ]; then
    shift
    run_inside "$@"
fi
if [ "$(id -u)" -ne 0 ] || ! command -v mmdebstrap >/dev/null; then
    echo "trixie: needs root and mmdebstrap (apt-get install mmdebstrap); nothing was checked"
    exit 0
fi
[ "$(cat "$trixie/packages" 2>/dev/null)" = "${packages[*]}" ] || make_chroot
[ $# -gt 0 ] || set -- scripts/test.sh
exec unshare --mount --propagation private "$0" --inside "$@"
