#!/usr/bin/env bash
# Joins the parts beside it, and compares and times TensorRT for RTX: run.sh [PROVIDER].
set -euo pipefail
cd "$(dirname "$0")"

if ! nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; then
    echo "gpu-bundle: there is no NVIDIA driver here, or no GPU" >&2
    exit 1
fi
if [ ! -d m2sd-runtime ]; then
    sha256sum --quiet --check runtime.sha256
    rm -rf m2sd-runtime.new
    mkdir m2sd-runtime.new
    cat runtime.tar.gz.* | tar -C m2sd-runtime.new -xz
    mv m2sd-runtime.new m2sd-runtime
fi
mkdir -p work
cp -r detectors work/
status=0
./gpu-bench "${1:-tensorrt-rtx}" work || status=$?
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    python3 torch_bench.py
else
    echo "gpu-bundle: PyTorch is not there: nothing to compare with"
fi
exit "$status"
