# Every target works on a fresh clone: `.venv` is made when it is missing and updated when it is stale.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Written after an install has ended well: without it the environment is unfinished and is made anew.

# An interpreter that no longer runs (a moved checkout, an upgraded system Python) makes the stamp worthless.
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
BROKEN := FORCE
endif

.DEFAULT_GOAL := help
.PHONY: help env demo test test-fast check benchmark clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '|'

env: $(STAMP) ## make or update .venv

$(STAMP): pyproject.toml constraints.txt $(BROKEN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "MobileVOS needs Python 3.11 or newer, and $(PYTHON) is not: pass one, e.g. make env PYTHON=python3.11" >&2; exit 1; }
	@if [ -f $@ ] && [ -z "$(BROKEN)" ]; then rm $@; else $(PYTHON) -m venv --clear $(VENV); fi
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[executorch,bench,dev]"
	@touch $@

demo: $(STAMP) ## track an object with PyTorch and ExecuTorch: [VIDEO=clip.mp4 MASK=first.png]
	$(BIN)/python -m benchmarks.demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(MASK),--mask "$(MASK)")

test: $(STAMP) ## run every test
	$(BIN)/python -m pytest

test-fast: $(STAMP) ## run the tests that need neither time nor data nor ExecuTorch
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not data and not executorch"

check: $(STAMP) ## lint, formatting and types
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

benchmark: $(STAMP) ## time every component with pytest-benchmark
	$(BIN)/python -m pytest benchmarks --benchmark-enable

clean: ## remove build outputs and caches; .venv and runs/ stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
