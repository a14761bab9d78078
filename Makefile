VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo docs site wheel test test-thorough test-slow lint types validate bench clean

demo: $(STAMP)
	$(BIN)/elue demo --out demo

test: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not thorough and not benchmark"

test-thorough: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal -m "thorough and not slow and not benchmark"

test-slow: $(STAMP)
	$(BIN)/pytest -m "slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	.ci/javascript

types: $(STAMP)
	$(BIN)/mypy

validate: $(STAMP)
	$(BIN)/elue validate submissions/*/

docs: $(STAMP)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

site: docs
	$(BIN)/elue site --db sqlite:///build/site.sqlite --runs submissions --submissions submissions --docs build/docs --out build/site

wheel: $(STAMP)
	$(BIN)/python -m build --no-isolation --outdir dist

bench: $(STAMP)
	$(BIN)/pytest -m benchmark -s tests/benchmarks

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
