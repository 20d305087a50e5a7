#!/usr/bin/env bash
# Compares the providers of NVIDIA GPUs with the CPU and times them, where there is a GPU: TensorRT for
# RTX with the libraries that set-up fetches; CUDA and TensorRT with the onnxruntime-gpu build that
# M2SD_RUNTIME names.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>/dev/null; then
    echo "gpu-check: no NVIDIA GPU here (nvidia-smi finds none); nothing was checked" >&2
    exit 1
fi

cargo build --release
m2sd=target/release/m2sd
models=$(mktemp -d)
trap 'rm -rf "$models"' EXIT
"$m2sd" models synth --engines "$models" >/dev/null
checked=() unchecked=()

# check PROVIDER TEST…: the tests whose names begin so, and the bench table.
check() {
    echo "gpu-check: $1 against the CPU"
    cargo test --release --no-default-features --features infer --test infer -- \
        --ignored --nocapture "${@:2}"
    echo "gpu-check: bench table of $1"
    "$m2sd" bench --synthetic --provider "$1" --json "target/gpu-bench-$1.json"
    checked+=("$1")
}
# Says by exit code whether the provider can be used, and by message what is missing.
builds() {
    "$m2sd" engines build --provider "$1" --engines "$models" || {
        unchecked+=("$1")
        return 1
    }
}

if [ -z "${M2SD_RUNTIME:-}" ]; then
    echo "gpu-check: M2SD_RUNTIME names no onnxruntime-gpu build: CUDA and TensorRT are left out"
    unchecked+=(cuda tensorrt)
else
    check cuda gpu_cuda
    builds tensorrt && check tensorrt gpu_tensorrt --skip gpu_tensorrt_rtx
fi
builds tensorrt-rtx && check tensorrt-rtx gpu_tensorrt_rtx
echo "gpu-check: like the CPU: ${checked[*]:-none}; NOT checked: ${unchecked[*]:-none}"
[ ${#checked[@]} -gt 0 ]
