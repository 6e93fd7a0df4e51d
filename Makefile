# Every target works on a fresh clone: `.venv` is made when it is missing and updated when it is stale.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Written after an install has ended well: without it the environment is unfinished and is made anew.
# Bytecode is compiled on all cores after it, where pip takes one; what no Python of this version can read is left as it is.

# An interpreter that no longer runs (a moved checkout, an upgraded system Python) makes the stamp worthless.
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
BROKEN := FORCE
endif

# Of the tests; a file's tests stay together, so that what they share is made once.
TWO_PROCESSES := -n 2 --dist loadfile --benchmark-disable

.DEFAULT_GOAL := help
.PHONY: help env demo test test-fast check benchmark clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '|'

env: $(STAMP) ## make or update .venv

$(STAMP): pyproject.toml constraints.txt $(BROKEN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "MobileVOS needs Python 3.11 or newer, and $(PYTHON) is not: pass one, e.g. make env PYTHON=python3.11" >&2; exit 1; }
	@if [ -f $@ ] && [ -z "$(BROKEN)" ]; then rm $@; else $(PYTHON) -m venv --clear $(VENV); fi
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[all]"
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

demo: $(STAMP) ## track an object with PyTorch, ExecuTorch and ExecuTorch int8: [VIDEO=clip.mp4 MASK=first.png]
	$(BIN)/python -m benchmarks.demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(MASK),--mask "$(MASK)")

test: $(STAMP) ## run every test; what this machine lacks for one is told at the end
	$(BIN)/python -m pytest $(TWO_PROCESSES)

test-fast: $(STAMP) ## run the tests that need neither time nor data nor a toolchain
	$(BIN)/python -m pytest $(TWO_PROCESSES) -m "not slow and not data and not adb and not executorch and not coreml and not tflite and not onnx and not runner"

check: $(STAMP) ## lint, formatting and types
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

benchmark: $(STAMP) ## time the tracking loop of the shipped student, the quick protocol: [OUTPUT=build/benchmarks]
	$(BIN)/python -m benchmarks --quick --targets eager,executorch,litert,onnx --output "$(or $(OUTPUT),build/benchmarks)"

clean: ## remove build outputs and caches; .venv and runs/ stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
