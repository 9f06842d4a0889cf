# The first command sets everything up; it needs only Python 3.11 or newer, git and make.
.DEFAULT_GOAL := help
.PHONY: help demo new test test-all check fuzz bench pictures release

PYTHON ?= python3
UV := $(if $(shell command -v uv),uv,.uv/bin/uv)
NEEDED := $(filter .uv/bin/uv,$(UV))
RENDER := $(UV) run --quiet --only-group render python -m
export PATH := $(PATH):$(CURDIR)/.uv/bin
PYTEST = $(UV) run --quiet pytest --dist worksteal --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PARTS = $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard tests/*/*/__init__.py)))))

help:  ## show this list
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(NEEDED)  ## render a service and run it: make demo ARGS="-d redis=true" (Ctrl-C stops it)
	@$(RENDER) tools.demo $(ARGS)

new: $(NEEDED)  ## create a service, asking the questions: make new DEST=../my-service
	@$(RENDER) tools.new $(ARGS)

test: $(NEEDED)  ## test what a change can break; one part: make test ARGS="-k prompts"
	@$(PYTEST) $(ARGS)

test-all: $(NEEDED)  ## test everything, as in the nightly run; one part: make test-all PART=updates
	@$(PYTEST) $(if $(PART),$(or $(wildcard tests/*/$(PART)),$(error no part $(PART); choose from: $(PARTS))),tests) $(ARGS)

check: $(NEEDED)  ## lint the template repository
	@$(UV) run --quiet ruff check . && $(UV) run --quiet ruff format --check . && $(UV) run --quiet zizmor --offline --quiet .github/workflows

fuzz: $(NEEDED)  ## try 1,000 random updates; others: make fuzz ARGS="--seed 2"
	@$(UV) run --quiet python -m tests.support.fuzz $(ARGS)

bench: $(NEEDED)  ## print the numbers in CONTRIBUTING.md
	@$(UV) run --quiet python -m benchmarks

pictures: $(NEEDED)  ## take the screenshots of the READMEs, rendered from HEAD
	@$(UV) run --quiet python -m tools.pictures

release: check test-all  ## tag HEAD as a release; see CONTRIBUTING.md
	@$(UV) run --quiet python -m tools.release

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s is %s: make PYTHON=python3.13 ..." % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	@echo "uv is not on the path: installing it into .uv"
	@$(PYTHON) -m venv .uv || { echo "On Debian and Ubuntu: sudo apt install python3-venv"; rm -rf .uv; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv
