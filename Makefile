# Each command sets up what it needs (a virtual environment in .venv), then runs.
PYTHON ?= python3
BIN := .venv/bin
MADE := .venv/.made
SETUP := .venv/.installed
DEV := .venv/.installed-dev
DOCS := .venv/.installed-docs
# Compiled by one process per core afterwards; pip has one for all. Other packages' tests, a quarter of all, are never
# imported; some packages hold files that no Python 3 compiles.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests/' .venv/lib || true

# Compiled files are kept, whatever the shell says: every worker and command would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

# One file, one worker: what a file's tests share is made once.
WORKERS := -n auto --dist loadscope --no-loadscope-reorder

.PHONY: demo test test-fast coverage check bench results docs release clean

demo: $(SETUP) ## the main job end to end on simulated people; open demo/report.html afterwards
	$(BIN)/semantoks demo --out demo

test: $(DEV) ## all tests
	$(BIN)/python -m pytest $(WORKERS)

test-fast: $(DEV) ## all but the slow ones, in three minutes on two free cores
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

coverage: $(DEV) ## how much of the package the fast tests run, which takes them half as long again
	$(BIN)/python -m pytest $(WORKERS) -m "not slow" --cov --cov-report=

check: $(DEV) ## style, types, layers and caps
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/caps.py

bench: $(DEV) ## speed and memory, a table each
	$(BIN)/python -m benchmarks

results: $(DEV) ## the table of docs/results.md on a cohort of yours: COHORT=cohort/ [OUT=results/]
	$(BIN)/python -m benchmarks.results $(COHORT) --out $(or $(OUT),results)

docs: $(DOCS) ## the site of docs/ with the examples run; open docs/_build/html/index.html afterwards
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

release: ## wheel and sdist in dist/, each tried in a clean environment: [PYTHONS="python3.11 python3.12"]
	PYTHONS="$(PYTHONS)" .ci/release

clean: ## remove the virtual environment, the demo and the site
	rm -rf .venv demo docs/_build docs/made

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "semantoks needs Python 3.11 or newer; pass PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv is not installed. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $(MADE)

$(SETUP): pyproject.toml constraints.txt | $(MADE)
	$(INSTALL) .
	$(COMPILE)
	@touch $(SETUP)

$(DEV): pyproject.toml constraints.txt | $(MADE)
	$(INSTALL) '.[dev]'
	$(COMPILE)
	@touch $(SETUP) $(DEV)

$(DOCS): $(DEV)
	$(INSTALL) '.[docs]'
	$(COMPILE)
	@touch $(DOCS)
