# make quickstart | make test | make test-fast | make figures | make install, each complete on a fresh machine

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart figures test test-fast lint

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@

quickstart: install
	$(BIN)/gmexp run experiment=quickstart

# every committed figure and the pages, from committed data
figures: install
	$(BIN)/gmexp report results=results

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

# under two minutes: what a change to one room usually breaks
test-fast: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: install
	$(BIN)/ruff check gmexp envs tests
