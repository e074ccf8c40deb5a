# Two verbs for a newcomer, quickstart and test; each makes its own virtual environment.
# The others run in the environment that is active:  make lint PYTHON=path/to/python

PYTHON ?= python3
QUICKSTART_VENV ?= .venv-quickstart
TEST_VENV ?= .venv-test
# Two test processes of one thread each; a module's tests share its fixtures, so they stay together.
PYTEST_FLAGS ?= --numprocesses 2 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help quickstart test develop checks format lint type-check docs check-docs test-fast test-slow
.PHONY: coverage clean

help:  ## Say what each verb does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

quickstart:  ## Fresh environment, install, then train and compare five methods on real data
	$(PYTHON) -m venv --clear $(QUICKSTART_VENV)
	$(QUICKSTART_VENV)/bin/python -m pip install .
	$(QUICKSTART_VENV)/bin/dmrnet quickstart

# The pip that comes with Python 3.11 takes half as long again as one of this year.
# Without --no-compile pip compiles every module of every package, of which the tests import a tenth.
# With what builds this package installed first, pip makes no other environment to build it in.
test:  ## Fresh environment, install, then every check and test but the slow ones
	$(PYTHON) -m venv --clear $(TEST_VENV)
	$(TEST_VENV)/bin/python -m pip install --no-compile --upgrade "pip>=26" "hatchling>=1.27" "editables>=0.3"
	$(TEST_VENV)/bin/python -m pip install --no-compile --no-build-isolation --editable ".[dev,docs]"
	$(MAKE) checks PYTHON=$(TEST_VENV)/bin/python

develop:  ## Install the package, its tools and the commit hooks into the active environment
	$(PYTHON) -m pip install --editable ".[dev,docs]"
	$(PYTHON) -m pre_commit install

# Side by side, so that no core waits while pages are read or two processes of a test meet.
checks:  ## Every check and test, in the active environment
	$(MAKE) --jobs 2 lint test-fast type-check check-docs

format:  ## Format the code and mend what ruff can mend
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lint:  ## Format, lint and spelling, changing nothing
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m codespell_lib .

type-check:  ## mypy, strict
	$(PYTHON) -m mypy

docs:  ## Build the pages into docs/_build, warnings as errors
	$(PYTHON) -m sphinx --fail-on-warning --quiet docs docs/_build

check-docs:  ## Read the pages and resolve their references, warnings as errors, writing none
	$(PYTHON) -m sphinx --fail-on-warning --quiet --tag check --builder dummy docs docs/_build/check

test-fast:  ## Tests and doctests, without those marked slow
	$(PYTHON) -m pytest $(PYTEST_FLAGS)

test-slow:  ## The tests marked slow, which take several times as long
	$(PYTHON) -m pytest $(PYTEST_FLAGS) -m slow

coverage:  ## The tests again, with the lines they miss
	$(PYTHON) -m pytest $(PYTEST_FLAGS) --cov

clean:  ## Remove the environments and everything built
	rm -rf $(QUICKSTART_VENV) $(TEST_VENV) build dist docs/_build docs/jupyter_execute htmlcov
	rm -rf .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
