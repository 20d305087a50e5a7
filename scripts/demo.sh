#!/usr/bin/env bash
# Scores a video with the best networks that can be had: demo.sh [VIDEO] [OUT].
set -euo pipefail
cd "$(dirname "$0")/.."

video=${1:-}
out=${2:-demo}
m2sd=target/release/m2sd
sample=../shared/media/poetry_jam_360p.mp4

# A detector and a classifier are what it takes.
has_models() {
    "$m2sd" models verify >/dev/null 2>&1
}

has_models || scripts/models.sh || true
if ! has_models; then
    echo "demo: no trained network can be had (no network, no shared data): analytic networks on a drawn scene"
    "$m2sd" models synth
    mkdir -p "$out"
    "$m2sd" synth-video --out "$out/scene.mkv"
    exec "$m2sd" scan "$out/scene.mkv" --synthetic --out "$out"
fi
if [ -z "$video" ]; then
    if [ -f "$sample" ]; then
        video=$sample
    else
        mkdir -p "$out"
        video=$out/scene.mkv
        echo "demo: no VIDEO=… given: a drawn scene instead"
        "$m2sd" synth-video --out "$video"
    fi
fi
exec "$m2sd" scan "$video" --out "$out"
