#!/usr/bin/env bash
# Changes the code a little at a time and says which changes no test notices:
# mutants.sh [core|constants|models|queues] [ARGUMENTS of cargo mutants…]. Without a part: all.
# Survivors are explained in docs/testing.md. Hours for all; `core -f 'src/core/detect/**'` for some.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-mutants >/dev/null; then
    echo "mutants: cargo-mutants is not installed: cargo install --locked cargo-mutants" >&2
    exit 1
fi
# The mutants are built elsewhere.
M2SD_SHARED=${M2SD_SHARED:-$(realpath -m ../shared)}
M2SD_RUNTIME=${M2SD_RUNTIME:-$PWD/.runtime}
export M2SD_SHARED M2SD_RUNTIME

part=${1:-all}
shift || true
survivors=0

# mutate NAME GLOBS CARGO-ARGUMENTS…: the mutants of the files, and what is built to notice them.
mutate() {
    local name=$1 arguments=() glob argument
    # Files on the command line replace those of the part.
    if [[ " ${extra[*]} " != *" -f "* && " ${extra[*]} " != *" --file "* ]]; then
        for glob in $2; do
            if [ -z "$(git ls-files ":(glob)$glob")" ]; then
                echo "mutants: $glob, of the part $name, is the name of no file: mend it here" >&2
                exit 1
            fi
            arguments+=(--file "$glob")
        done
    fi
    for argument in "${@:3}"; do
        arguments+=("--cargo-arg=$argument")
    done
    echo "mutants: $name"
    cargo mutants --output "target/mutants/$name" --no-times --colors never "${arguments[@]}" \
        "${extra[@]}" || survivors=$?
}

extra=("$@")
mkdir -p target/mutants
# The globs are for cargo-mutants, not for the shell.
set -f
core() { mutate core 'src/core/**/*.rs' --no-default-features --lib; }
constants() { scripts/constants.py "${extra[@]}" || survivors=$?; }
models() {
    mutate models 'src/models/**/*.rs' --no-default-features --features=models --lib --test=models
}
# The queues on the way of a frame and of its sound.
queues() { mutate queues 'src/filter/**/*queue.rs' --features=harness --lib --test=element --test=audio; }

case $part in
    all) core && constants && models && queues ;;
    core | constants | models | queues) "$part" ;;
    *)
        echo "mutants: $part is none of core, constants, models, queues" >&2
        exit 2
        ;;
esac
exit "$survivors"
