#!/usr/bin/env bash
# Scores a video with the best networks that can be had: demo.sh [VIDEO] [OUT].
set -euo pipefail
cd "$(dirname "$0")/.."

video=${1:-}
out=${2:-demo}
m2sd=target/release/m2sd
sample=../shared/media/poetry_jam_360p.mp4

# Drawn faces with analytic networks: what scores and verdicts look like.
drawn_scene() {
    local folder=$out/drawn-scene
    mkdir -p "$folder"
    "$m2sd" models synth --engines "$folder/engines" >/dev/null
    "$m2sd" synth-video --out "$folder/scene.mp4"
    "$m2sd" scan "$folder/scene.mp4" --engines "$folder/engines" --out "$folder" --force
}

mkdir -p "$out"
if [ -z "$video" ] && [ -f "$sample" ]; then
    video=$sample
elif [ -z "$video" ] && picture=$(scripts/picture.sh); then
    echo "demo: no VIDEO=… is given: a camera moves over a portrait of Eileen Collins (NASA)"
    video=$out/portrait.mp4
    "$m2sd" synth-video --picture "$picture" --out "$video"
fi

compgen -G 'engines/*.onnx' >/dev/null || scripts/models.sh || true
if [ -z "$video" ]; then
    echo "demo: no VIDEO=… is given, and no picture can be had: a drawn scene instead"
    drawn_scene
    exit
fi
status=0
"$m2sd" scan "$video" --out "$out" --force || status=$?
# 4: a network is missing, or ONNX Runtime is.
if [ -z "${1:-}" ] && [ "$status" -eq 4 ]; then
    echo "demo: $video could not be scanned, see above: a drawn scene instead"
    drawn_scene
    exit
fi
[ "$status" -eq 0 ] || exit "$status"
# Where there is no classifier that was trained, something else has to show what one says.
if [ -z "${1:-}" ] && grep -q -m 1 '"classifiers":\[\]' "$out/scores.jsonl"; then
    echo
    echo "demo: beside it, what scores and verdicts look like: a drawn scene, scored by analytic networks"
    drawn_scene
fi
