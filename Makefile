# Needs GNU make and Python >= 3.11, nothing else. Each target makes .venv and installs into it
# what the target needs; a stamp per extra makes this free until pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-bench
ORACLE := .venv-oracle
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test verdicts functions oracle bench lint notebooks clean

help:
	@echo 'make demo       run the batch-norm notebook headless, print its verdicts, write build/demo/'
	@echo 'make test       lint, run the tests, execute the notebooks'
	@echo 'make verdicts   run the notebooks, write notebooks/VERDICTS.md'
	@echo 'make functions  write the table of functions, autograd_core/ops/FUNCTIONS.md'
	@echo 'make oracle     compare every layer with PyTorch itself (make test compares with recorded answers;'
	@echo '                RECORD=1 records them anew)'
	@echo 'make bench      measure against PyTorch, JAX, autograd, MyGrad, micrograd and NumPy'
	@echo '                (BENCH="--quick", BENCH="--only a,b", see tests/bench/run.py)'
	@echo 'make lint       formatting, lint rules, types'
	@echo 'make notebooks  open the notebooks in JupyterLab'
	@echo 'make clean      remove everything that these commands made'
	@echo 'Choose the interpreter with PYTHON=python3.12'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"autograd-core needs Python >= 3.11, and %s is %s; choose another: make PYTHON=python3.11" \
		% (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)

# The interpreter is order-only: its date is that of the system's Python, not of the environment.
$(VENV)/.stamp-notebooks: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP) --editable '.[notebooks]'
	@touch $@

$(VENV)/.stamp-test: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP) --editable '.[notebooks,test]'
	@touch $@ $(VENV)/.stamp-notebooks

$(VENV)/.stamp-compile: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP) --editable '.[notebooks,compile]'
	@touch $@ $(VENV)/.stamp-notebooks

$(PEERS)/.stamp: tests/bench/requirements-peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python $(PIP) --requirement tests/bench/requirements-peers.txt
	@touch $@

$(ORACLE)/.stamp: pyproject.toml
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python $(PIP) --editable '.[oracle,test]'
	@touch $@

demo: $(VENV)/.stamp-notebooks
	$(BIN)/python notebooks/demo.py --out build/demo

lint: $(VENV)/.stamp-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The notebook that takes longest comes first, so that the two workers end at about the same time.
LONGEST := $(wildcard notebooks/05*.ipynb)
NOTEBOOKS := $(LONGEST) $(filter-out $(LONGEST),$(sort $(wildcard notebooks/*.ipynb)))

# One BLAS thread for each of the two workers.
define execute-notebooks
rm -rf build/verdicts
AUTOGRAD_CORE_OUT=$(CURDIR)/build/verdicts OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n 2 --nbmake $(NOTEBOOKS)
endef

test: lint
	$(BIN)/python -m pytest -n 2
	$(execute-notebooks)
	$(BIN)/python notebooks/verdicts.py build/verdicts --check

verdicts: $(VENV)/.stamp-test
	$(execute-notebooks)
	$(BIN)/python notebooks/verdicts.py build/verdicts

functions: $(VENV)/.stamp-test
	$(BIN)/python -m autograd_core.coverage autograd_core/ops/FUNCTIONS.md

oracle: $(ORACLE)/.stamp
ifdef RECORD
	cd tests && ../$(ORACLE)/bin/python -m oracle.record
endif
	$(ORACLE)/bin/python -m pytest -n 2 tests/oracle

bench: $(VENV)/.stamp-compile $(PEERS)/.stamp
	$(BIN)/python tests/bench/run.py --peers-python $(PEERS)/bin/python $(BENCH)

notebooks: $(VENV)/.stamp-notebooks
	$(BIN)/jupyter lab notebooks

clean:
	rm -rf $(VENV) $(PEERS) $(ORACLE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
