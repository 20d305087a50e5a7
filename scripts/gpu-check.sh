#!/usr/bin/env bash
# Compares the CUDA and TensorRT providers with the CPU and times them, where there is a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>/dev/null; then
    echo "gpu-check: no NVIDIA GPU here (nvidia-smi finds none); nothing was checked" >&2
    exit 1
fi
if [ -z "${M2SD_RUNTIME:-}" ]; then
    echo "gpu-check: set M2SD_RUNTIME to an onnxruntime-gpu build; the one in .runtime/ is for CPUs" >&2
    exit 1
fi

cargo build --release
m2sd=target/release/m2sd
# Says by exit code whether TensorRT can be used, and by message what is missing.
models=$(mktemp -d)
trap 'rm -rf "$models"' EXIT
"$m2sd" models synth --engines "$models" >/dev/null

check() {
    echo "gpu-check: $1 against the CPU"
    cargo test --release --no-default-features --features infer --test infer -- \
        --ignored "gpu_$1" --nocapture
}
bench() {
    echo "gpu-check: bench table of $1"
    "$m2sd" bench --synthetic --provider "$1" --json "target/gpu-bench-$1.json"
}

check cuda
tensorrt=no
if "$m2sd" engines build --engines "$models"; then
    tensorrt=yes
    check tensorrt
fi
bench cuda
if [ $tensorrt = yes ]; then
    bench tensorrt
    echo "gpu-check: CUDA and TensorRT agree with the CPU"
else
    echo "gpu-check: CUDA agrees with the CPU; TensorRT was NOT checked, see above"
fi
