# Short names for the usual jobs. The work is done by the CMake presets and by tools/*.sh.
.NOTPARALLEL:
.DEFAULT_GOAL := all
.PHONY: all deps demo test bench fuzz lint format install clean help

PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 600
LINT_FILES ?= all
BENCH ?=
CMAKE_FLAGS ?=
export JOBS

BUILD = cmake --build --preset release --parallel $(JOBS) --target

all: deps build/build.ninja ## install what is missing, build build/fakequant
	@$(BUILD) fakequant

demo: deps build/build.ninja ## the main job on the demo model, step by step
	@$(BUILD) fakequant llama-completion
	@tools/demo.sh

test: ## every test: release, sanitizers, a short fuzz run
	@CMAKE_FLAGS='$(CMAKE_FLAGS)' tools/test.sh

bench: deps build/build.ninja ## speed against cp, gguf-py and the programs of llama.cpp (BENCH="--only NAME" for single rows)
	@tools/install-deps.sh bench
	@$(BUILD) all llama-quantize
	@tools/bench.sh $(BENCH)

fuzz: ## long fuzz run, FUZZ_SECONDS=600 for each target
	@tools/install-deps.sh test
	@tools/fuzz.sh $(FUZZ_SECONDS)

lint: deps build/build.ninja ## formatting, clang-tidy, who includes whom, shell scripts (LINT_FILES=changed: only changed files)
	@tools/install-deps.sh lint
	@tools/lint.sh $(LINT_FILES)

format: ## clang-format all C++ files in place
	@tools/install-deps.sh lint
	@git ls-files --cached --others --exclude-standard '*.cpp' '*.h' | xargs clang-format -i

install: all ## install to PREFIX=/usr/local (DESTDIR is honoured)
	@cmake --install build --prefix '$(PREFIX)' --component fakequant

clean: ## remove build/ and demo/ (the fetched llama.cpp source stays cached)
	@rm -rf build demo

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo 'Options: JOBS=N  CMAKE_FLAGS="-DGGML_CUDA=ON ..."  (flags are remembered until make clean)'

# Configured once; ninja does it again by itself when a CMake file changes. New CMAKE_FLAGS need it too.
build/build.ninja: $(if $(CMAKE_FLAGS),always) | deps
	@cmake --preset release $(CMAKE_FLAGS)

deps:
	@tools/install-deps.sh build

.PHONY: always
always:
