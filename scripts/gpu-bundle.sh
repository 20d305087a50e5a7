#!/usr/bin/env bash
# Gathers in target/gpu-bundle/ what it takes to compare TensorRT for RTX with the CPU and to time it
# on a machine that has an NVIDIA driver and nothing else: gpu-bundle.sh. There: ./run.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# What is larger comes in parts of this size: not everything that carries files takes large ones.
part=55M
bundle=target/gpu-bundle

GPU=1 scripts/setup.sh
cargo build --release --no-default-features --features infer --example gpu-bench
rm -rf "$bundle"
mkdir -p "$bundle/detectors"
install -s -m 755 target/release/examples/gpu-bench "$bundle/"
install -m 755 scripts/gpu-bundle/run.sh "$bundle/"
install -m 644 scripts/gpu-bundle/torch_bench.py "$bundle/"
for file in engines/*.onnx; do
    if grep -qs '^role=detector' "$file.modelinfo"; then
        cp "$file" "$file.modelinfo" "$bundle/detectors/"
    fi
done
# Plug-ins of TensorRT's own, as large as half of the rest, are not used.
tar -C .runtime -cz --exclude='*libtensorrt_plugins.so*' --exclude='*libtensorrt_shim.so*' \
    onnxruntime/LICENSE onnxruntime/capi onnxruntime_ep_nv_tensorrt_rtx |
    split -b "$part" - "$bundle/runtime.tar.gz."
(cd "$bundle" && sha256sum runtime.tar.gz.* >runtime.sha256)
du -sh "$bundle"
ls -l "$bundle"
