# SPDX-License-Identifier: Apache-2.0
# The front door. `make` alone prints the verbs; Meson and Ninja do the building.
BUILD ?= build
PYTHON = /usr/bin/python3
SETUP = tools/setup/install.sh
SANITIZE ?=

ifeq ($(SANITIZE),1)
BUILD = build-sanitize
endif
export MYKEY_BUILD = $(abspath $(BUILD))

help: ## print this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

setup: ## install the Debian packages for building and running (starts and enables nothing)
	@$(SETUP) build run

build: setup ## build all programs into build/
	@tools/setup/build.sh $(BUILD) $(SANITIZE)

run: build ## set up everything, run the platform with one counter and demo cards; Ctrl-C stops
	@$(PYTHON) tools/dev/run.py

demo: build ## play the story of one tap without a hand; exit 0 only if every step held
	@$(PYTHON) tools/dev/demo.py

test: ## set up everything and run all tests (SANITIZE=1: under ASan and UBSan)
	@$(SETUP) build run test
	@tools/setup/build.sh $(BUILD) $(SANITIZE)
	@$(PYTHON) tests/run.py

test-%: build ## one suite: lint, unit, clang, sanitize, fuzz, integration, story, browser, privacy, container
	@$(SETUP) build run test
	@$(PYTHON) tests/run.py $*

privacy: build ## check what residents are promised and print the result as a page (Japanese, English)
	@$(SETUP) build run test
	@$(PYTHON) tests/privacy/page.py

fuzz: ## every parser's fuzz harness for MINUTES=5; MERGE=1 keeps what reaches new code in tests/fuzz/corpus
	@$(SETUP) build test
	@$(PYTHON) tests/fuzz/run.py --minutes $(or $(MINUTES),5) $(if $(MERGE),--merge)

bench: build ## all benchmarks, into build/bench/
	@$(PYTHON) tests/bench/run.py

bench-%: build ## one benchmark: lookup, tap_cpu, first_tap, bus, verify
	@$(PYTHON) tests/bench/run.py $*

format: ## put all C code into the house format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: ## the checks that need no build
	@$(SETUP) build test
	@tools/lint/lint.sh

analyze: build ## clang-tidy and cppcheck over the product's code (minutes)
	@$(SETUP) build analyze
	@tools/lint/analyze.sh $(BUILD)

valgrind: build ## the unit tests under memcheck: leaks, and memory read before it is written
	@$(SETUP) build analyze
	@meson test -C $(BUILD) --no-rebuild --setup valgrind --print-errorlogs

images: ## make the container images (needs an engine and a Debian mirror), check docker-compose.yml
	@$(SETUP) test engine
	@deploy/container/images.sh

clean: ## remove what was built (data under var/ stays)
	@rm -rf build build-*

.PHONY: help setup build run demo test privacy fuzz bench format lint analyze valgrind images clean
