#!/usr/bin/env bash
# Gets what cargo does not: Debian packages, ONNX Runtime and OpenVINO into .runtime/, and networks that
# are in wheels into .wheels/; with TEST=1 also the servers that tests run against, those of networks into
# .servers/. Does nothing twice,
# and again what is no longer whole.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stamp.sh
. scripts/stamp.sh

rtx=.runtime/onnxruntime_ep_nv_tensorrt_rtx

packages=(
    gcc g++ make libc6-dev libssl-dev pkg-config
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libcairo2-dev libgstrtspserver-1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
    fonts-dejavu-core
)
# What events and metrics are tested against; Debian also starts the three servers as services.
[ "${TEST:-}" != 1 ] || packages+=(mosquitto nats-server prometheus chromium openssh-client openssl man-db zsh poppler-utils)
# Any pip will do, not only the distribution's.
python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("pip") is None)' 2>/dev/null ||
    packages+=(python3-pip)

debian_packages() {
    local missing=() package as_root=() known
    if ! command -v dpkg-query >/dev/null; then
        echo "setup: this is not Debian or Ubuntu; install what these provide: ${packages[*]}"
        return
    fi
    # It fails where one is not known.
    known=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null) || true
    for package in "${packages[@]}"; do
        grep -qx "$package installed" <<<"$known" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "setup: Debian packages are missing. Run this, then the same make again:" >&2
            echo "  sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# In a subshell, whose end removes what is not finished.
onnx_runtime() (
    local arch pins work wheel
    arch=$(uname -m)
    pins=scripts/runtime-$arch.txt
    if [ ! -f "$pins" ]; then
        echo "setup: no ONNX Runtime is pinned for $arch; set M2SD_RUNTIME to your own" >&2
        exit 1
    fi
    ! is_whole "$pins" .runtime || return 0
    work=$(mktemp -d .runtime.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    echo "setup: downloading ONNX Runtime and OpenVINO into .runtime/"
    scripts/wheels.sh "$pins" "$work/wheels"
    for wheel in "$work"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$work/runtime"
    done
    # What only Python needs: half of the size.
    find "$work/runtime" \( -name '*.py' -o -name '*pybind*' \) -delete
    # Of OpenVINO only the libraries, and not those that read other formats.
    find "$work/runtime/openvino" -mindepth 1 -maxdepth 1 ! -name libs -exec rm -rf {} +
    find "$work/runtime/openvino/libs" -name 'libopenvino_*_frontend.so*' \
        ! -name '*_onnx_*' ! -name '*_ir_*' -delete
    stamp "$pins" "$work/runtime"
    # It has a stamp of its own.
    [ ! -d "$rtx" ] || mv "$rtx" "$work/runtime/"
    # In place at once or not at all: the stamp moves together with what it stands for.
    rm -rf .runtime
    mv "$work/runtime" .runtime
)

# NVIDIA's TensorRT for RTX, beside ONNX Runtime: 150 MB that only an NVIDIA driver can use.
tensorrt_rtx() (
    local pins work file base
    pins=scripts/gpu-$(uname -m).txt
    if [ "${GPU:-}" != 1 ] && ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1 '; then
        return
    fi
    if [ ! -f "$pins" ]; then
        echo "setup: no TensorRT for RTX is published for $(uname -m)"
        return
    fi
    ! is_whole "$pins" "$rtx" || return 0
    work=$(mktemp -d .runtime.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    echo "setup: downloading TensorRT for RTX into $rtx/"
    scripts/wheels.sh "$pins" "$work/wheels"
    python3 -m zipfile -e "$work"/wheels/*.whl "$work/unzipped"
    work=$work/unzipped/onnxruntime_ep_nv_tensorrt_rtx
    rm -f "$work"/*.py
    # The names under which the libraries know each other, which the wheel lacks.
    for file in "$work"/lib*.so.*.*; do
        base=${file##*/}
        ln -s "$base" "$work/$(grep -oE '^[^.]+\.so\.[0-9]+' <<<"$base")"
        ln -s "$base" "$work/${base%%.so.*}.so"
    done
    stamp "$pins" "$work"
    rm -rf "$rtx"
    mv "$work" "$rtx"
)

# Without them everything can be built, and most be tested; but what is not what was pinned ends it.
networks() {
    local pins=scripts/wheels-networks.txt folder=.wheels/networks status=0
    ! is_whole "$pins" "$folder" || return 0
    mkdir -p .wheels
    echo "setup: downloading wheels with networks into $folder/"
    scripts/wheels.sh "$pins" "$folder" || status=$?
    case $status in
        0) ;;
        3) exit 1 ;;
        *) echo "setup: they cannot be had now; the next make tries again" >&2 ;;
    esac
}

# Triton and KServe for the interpreter of the system, which Triton's stub is linked to; whatever python3 comes
# first installs them. Where there is none such, their tests say so and are left out.
inference_servers() (
    local pins work triton
    pins=scripts/servers-$(uname -m).txt
    [ "${TEST:-}" = 1 ] && [ -f "$pins" ] || return 0
    if [ "$(/usr/bin/python3 -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)" != "3 11" ]; then
        echo "setup: /usr/bin/python3 is not 3.11: no inference servers; their tests are left out"
        return
    fi
    ! is_whole "$pins" .servers || return 0
    work=$(mktemp -d .servers.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    echo "setup: downloading inference servers into .servers/"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --no-deps --no-compile --only-binary=:all: --python-version 3.11 \
        --implementation cp --platform manylinux_2_35_x86_64 --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --target "$work/servers" --requirement "$pins"
    triton=$work/servers/pytriton/tritonserver
    # Where Triton looks for it.
    cp "$triton/python_backend_stubs/3.11/triton_python_backend_stub" "$triton/backends/python/"
    chmod +x "$triton/bin/tritonserver" "$triton/backends/python/triton_python_backend_stub"
    stamp "$pins" "$work/servers"
    rm -rf .servers
    mv "$work/servers" .servers
)

debian_packages
onnx_runtime
tensorrt_rtx
networks
inference_servers
