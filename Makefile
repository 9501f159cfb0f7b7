# make quickstart | make figures | make test | make install, each complete on a fresh machine

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart figures test lint

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[wandb,procgen,dev]'
	touch $@

quickstart: install
	$(BIN)/gmexp run experiment=quickstart

# every committed figure and page, from committed data
figures: install
	$(BIN)/gmexp report results=results

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: install
	$(BIN)/ruff check gmexp envs tests
