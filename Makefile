# make quickstart | make test | make test-fast | make figures | make docs | make install, each complete on a fresh machine

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart figures docs test test-fast lint fuzz kill cluster clients

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

# the documents as a site: build/site/index.html
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# three at a time on two cores, as some tests wait
test: install
	$(BIN)/python -m pytest -n 3 --dist worksteal

# under two minutes once the environments are compiled: what a change to one room usually breaks
test-fast: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: install
	$(BIN)/ruff check gmexp envs tests

# inputs of every class for so long, zero faults: make fuzz minutes=10 seed=3
fuzz: install
	$(BIN)/python -m tests.fuzz minutes=$(or $(minutes),10) $(if $(seed),seed=$(seed))

# whole studies killed two hundred times: make kill kills=200
kill: install
	$(BIN)/python -m tests.kill kills=$(or $(kills),200)

# 48 runs on a local Ray cluster that loses a node, and on Slurm's local executor that loses a job
cluster: install
	GMEXP_CLUSTER=1 $(BIN)/python -m pytest tests/gmexp/training/test_launchers.py -k 48_runs

# other people's libraries on our environments
clients: install
	$(BIN)/python -m pip install -c constraints.txt -e '.[clients]'
	$(BIN)/python -m pytest tests/clients
