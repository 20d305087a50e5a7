#!/usr/bin/env bash
# Says whether this machine can run the CUDA and TensorRT providers, and tests them if it can.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; then
    echo "gpu-check: no NVIDIA GPU here (nvidia-smi finds none); nothing was checked"
    exit 0
fi
if [ -z "${M2SD_RUNTIME:-}" ]; then
    echo "gpu-check: set M2SD_RUNTIME to an onnxruntime-gpu build; the one in .runtime/ is for CPUs" >&2
    exit 1
fi
# TensorRT is not part of every onnxruntime-gpu set-up: without it, its test says what is missing.
cargo test --release --no-default-features --features infer,models --test infer -- \
    --ignored gpu_ --nocapture
