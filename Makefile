# Two commands for newcomers: `make demo` and `make test`. Everything lands in .venv; nothing else is touched.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check
# On all cores; pip compiles on one. Libraries hold templates that are no Python of today.
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib || true
SOURCES := $(shell find src -type f -not -name '*.pyc')
# Who has run `make test` has an editable install with everything in it; the demonstration then uses that.
INSTALLED := $(if $(wildcard .venv/dev.stamp),.venv/dev.stamp,.venv/demo.stamp)
# Tests wait for servers, disks and children half of their time.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 2)))
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test coverage lint docs wheel sbom release-evidence auditor clean

demo: $(INSTALLED)
	$(BIN)/countermark demo factory

# Everything runs, whatever failed before it; pytest's closing line stands last.
test: .venv/dev.stamp
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(BIN)/python -m pytest -n $(WORKERS) || status=1; \
	exit $$status

# The suite once more with every line counted: slower by a third, so that it is asked for.
coverage: .venv/dev.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term:skip-covered

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/dev.stamp
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# The last commit's wheel, built twice; its bill of materials; both signed by Countermark itself with the key of KEY=FILE.
wheel: .venv/dev.stamp
	@$(BIN)/python release/reproducible.py --out dist

sbom: .venv/dev.stamp
	@$(BIN)/python release/sbom.py --out dist/countermark.cdx.json

release-evidence: .venv/dev.stamp
	@test -n "$(KEY)" || { echo "whose key? make release-evidence KEY=path/to/oms.pem"; exit 2; }
	@$(BIN)/python release/evidence.py --key "$(KEY)" --out dist

# What an auditor installs: built, installed without extras, measured, and used on everything that it verifies.
auditor: .venv/dev.stamp
	$(BIN)/python -m pytest -s tests/e2e/test_auditor.py

.venv/demo.stamp: locks/demo.lock pyproject.toml $(SOURCES) | $(BIN)/python
	$(PIP) --no-deps --require-hashes -r locks/demo.lock
	$(PIP) --no-deps --no-build-isolation .
	@$(COMPILE)
	@touch $@

.venv/dev.stamp: locks/dev.lock pyproject.toml | $(BIN)/python
	$(PIP) --no-deps --require-hashes -r locks/dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv dist build docs/_build htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
