#!/usr/bin/env bash
# Joins the parts beside it, and compares and times the bundle's provider: run.sh [PROVIDER[:PRECISION]…].
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
cp -r detectors aligners work/

# The folders of CUDA's libraries that Python's packages brought, where the loader knows none.
cuda_of_python() {
    python3 - <<'END' 2>/dev/null || true
import pathlib, sys
folders = {file.parent for path in sys.path for file in pathlib.Path(path).glob("nvidia/*/lib/*.so*")}
print(":".join(sorted(map(str, folders))))
END
}
provider=$(cat provider.txt)
if [ "$provider" = cuda ] && ! ldconfig -p | grep -q 'libcudart\.so\.13 '; then
    folders=$(cuda_of_python)
    [ -z "$folders" ] || export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
status=0
bench() {
    ./gpu-bench "$@" || status=$?
}
if [ $# -gt 0 ]; then
    for asked; do
        bench "$asked" work
    done
elif [ "$provider" = cuda ]; then
    bench cuda:fp16 work
    bench cuda:fp32 work
    printf '\nOne clip a run, not recorded as a CUDA graph:\n'
    M2SD_CUDA_GRAPHS=0 bench cuda:fp16 work 1
else
    bench "$provider" work
fi
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    python3 torch_bench.py fp16
    [ "$provider" != cuda ] || python3 torch_bench.py fp32
else
    echo "gpu-bundle: PyTorch is not there: nothing to compare with"
fi
exit "$status"
