#!/usr/bin/env bash
# Gathers in target/gpu-bundle/ what it takes to compare a provider of NVIDIA GPUs with the CPU and to
# time it on a machine that has an NVIDIA driver and nothing else: gpu-bundle.sh [PROVIDER], tensorrt-rtx
# or cuda. For cuda that machine needs CUDA 13 and cuDNN 9 too, as PyTorch for CUDA 13 brings them along.
# There: ./run.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stamp.sh
. scripts/stamp.sh

# What is larger comes in parts of this size: not everything that carries files takes large ones.
part=55M
bundle=target/gpu-bundle
provider=${1:-tensorrt-rtx}

# onnxruntime-gpu, unpacked in target/onnxruntime-gpu/, without what only Python needs.
onnxruntime_gpu() (
    pins=scripts/cuda-$(uname -m).txt runtime=target/onnxruntime-gpu
    if [ ! -f "$pins" ]; then
        echo "gpu-bundle: no onnxruntime-gpu is pinned for $(uname -m)" >&2
        exit 1
    fi
    ! is_whole "$pins" "$runtime" || return 0
    work=$(mktemp -d target/onnxruntime-gpu.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    echo "gpu-bundle: downloading onnxruntime-gpu into $runtime/"
    scripts/wheels.sh "$pins" "$work/wheels"
    python3 -m zipfile -e "$work"/wheels/*.whl "$work/unzipped"
    find "$work/unzipped" \( -name '*.py' -o -name '*pybind*' \) -delete
    stamp "$pins" "$work/unzipped"
    rm -rf "$runtime"
    mv "$work/unzipped" "$runtime"
)

case $provider in
    tensorrt-rtx)
        GPU=1 scripts/setup.sh
        # Plug-ins of TensorRT's own, as large as half of the rest, are not used.
        libraries=(-C .runtime --exclude='*libtensorrt_plugins.so*' --exclude='*libtensorrt_shim.so*'
            onnxruntime/LICENSE onnxruntime/capi onnxruntime_ep_nv_tensorrt_rtx)
        ;;
    cuda)
        mkdir -p target
        onnxruntime_gpu
        libraries=(-C target/onnxruntime-gpu onnxruntime/LICENSE onnxruntime/capi)
        ;;
    *)
        echo "gpu-bundle: $provider can be no bundle; expected tensorrt-rtx or cuda" >&2
        exit 1
        ;;
esac
cargo build --release --no-default-features --features infer --example gpu-bench
rm -rf "$bundle"
mkdir -p "$bundle/detectors" "$bundle/aligners"
install -s -m 755 target/release/examples/gpu-bench "$bundle/"
install -m 755 scripts/gpu-bundle/run.sh "$bundle/"
install -m 644 scripts/gpu-bundle/torch_bench.py "$bundle/"
echo "$provider" >"$bundle/provider.txt"
for file in engines/*.onnx; do
    for role in detector aligner; do
        if grep -qs "^role=$role" "$file.modelinfo"; then
            cp "$file" "$file.modelinfo" "$bundle/${role}s/"
        fi
    done
done
tar -cz "${libraries[@]}" | split -b "$part" - "$bundle/runtime.tar.gz."
(cd "$bundle" && sha256sum runtime.tar.gz.* >runtime.sha256)
du -sh "$bundle"
ls -l "$bundle"
