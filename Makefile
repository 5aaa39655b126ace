# Two commands do everything on a fresh machine with Python 3.11 or newer: `make sweep` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: sweep test lint browser bench clean

## sweep: install ragopt and run the main job on the documentation of the running Python
sweep: $(VENV)/base
	$(BIN)/ragopt sweep python-docs --out ragopt-run

## test: install what tests need, lint, and run the whole suite
test: lint browser
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

## lint: style and types
lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## browser: Chromium, in which the report is tested, and a font with the widths that its charts are drawn for
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation; } \
		|| echo 'No Chromium: the tests of the report in a browser are skipped. As root: apt-get install chromium'

## bench: measure on this machine; see eval/README.md
bench: $(VENV)/dev
	$(BIN)/python eval/scan_cost.py
	$(BIN)/python eval/interval_coverage.py
	$(BIN)/python eval/pq_training.py
	$(BIN)/python eval/device.py

clean:
	rm -rf $(VENV) ragopt-run dist build

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ragopt needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/base: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[cpu,cache]'
	touch $@

$(VENV)/dev: $(VENV)/base
	$(PIP) --editable '.[cpu,cache,dev]'
	touch $@
