#!/usr/bin/env bash
# Scores a video with the best networks that can be had: demo.sh [VIDEO] [OUT].
set -euo pipefail
cd "$(dirname "$0")/.."

video=${1:-}
out=${2:-demo}
m2sd=target/release/m2sd
sample=../shared/media/poetry_jam_360p.mp4
scene=$out/scene.mkv

mkdir -p "$out"
if [ -z "$video" ] && [ -f "$sample" ]; then
    video=$sample
elif [ -z "$video" ]; then
    echo "demo: no VIDEO=… is given: a drawn scene instead"
    "$m2sd" synth-video --out "$scene"
    video=$scene
fi

compgen -G 'engines/*.onnx' >/dev/null || scripts/models.sh || true
status=0
"$m2sd" scan "$video" --out "$out" || status=$?
# 4: a network is missing, or ONNX Runtime is.
[ "$status" -eq 4 ] || exit "$status"
if [ -n "${1:-}" ]; then
    echo "demo: $1 was not scored; see above. Try make models" >&2
    exit "$status"
fi

echo "demo: no trained networks can be had (try make models): analytic ones on a drawn scene instead"
"$m2sd" models synth --engines "$out/engines"
[ -f "$scene" ] || "$m2sd" synth-video --out "$scene"
"$m2sd" scan "$scene" --engines "$out/engines" --out "$out"
