# Every target does its own set-up: python3 (3.11 or newer) and python3-venv are all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: help demo test check format simulate fuzz soak screenshots docs deb release lock clean
help:            ## What can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(if $(filter lambda,$(ENGINE)),$(VENV)/.dev,$(VENV)/.runtime)  ## Print a real part: coordinator, workers, agent and a simulated printer (FAULT=coordinator kills one, ENGINE=local, inline or lambda)
	@$(BIN)/cosmic-cloud demo --directory $(DEMO) $(if $(FAULT),--fault $(FAULT)) $(if $(ENGINE),--engine $(ENGINE)) $(DEMO_OPTIONS)

test: $(VENV)/.dev $(VENV)-agent/.installed  ## Run every test, with the coverage that the cores must have
	@scripts/install-test-peers
	@rm -f .coverage .coverage.*
	@COSMIC_AGENT_ONLY_PYTHON=$(CURDIR)/$(VENV)-agent/bin/python $(BIN)/python -m pytest --cov -n 2 --dist loadgroup $(PYTEST)
	@$(BIN)/python -m coverage report --include='protocol/*,fallback/*,agent/keeper/*,cloud/deciding/controller.py' --fail-under=100 --skip-covered

check: $(VENV)/.dev  ## Format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/audit

format: $(VENV)/.dev  ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

simulate: $(VENV)/.dev  ## Check the protocol's invariants under N seeds, at most MINUTES, or one SEED
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(N),200) $(if $(MINUTES),--minutes $(MINUTES)))

fuzz: $(VENV)/.dev  ## Feed everything that parses with mutations for MINUTES (1), from SEED where one is given
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),1) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET))

soak: $(VENV)/.dev  ## Let PRINTERS (3) print for MINUTES (2) under faults all the time, on real processes; memory must stay flat
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),2) --printers $(or $(PRINTERS),3) --seed $(or $(SEED),1)

screenshots: $(VENV)/.dev  ## Take the docs' pictures of the live pages and the report, from a real job in a real browser
	@$(BIN)/python scripts/screenshots.py

docs: $(VENV)/.dev  ## Write the reference pages that follow from the code
	@PYTHONPATH=. $(BIN)/python docs/generate.py

deb: $(VENV)/.dev  ## Build dist/cosmic-agent_*.deb, which carries its own environment
	@rm -rf build/deb && $(BIN)/python -m build --wheel --outdir build/deb . >/dev/null
	@packaging/build-deb build/deb/*.whl requirements-agent.lock dist

release: $(VENV)/.dev  ## Build dist/: wheel, source, Debian package, lists of what they are made of, check sums
	@scripts/release $(BIN)

lock: $(VENV)/.dev  ## Renew the lock files from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --extra cloud --extra recording --extra http --no-strip-extras --universal --python-version 3.11 --generate-hashes --quiet --no-header -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra mqtt --extra http --extra recording --extra camera -c requirements.lock --no-strip-extras --universal --python-version 3.11 --generate-hashes --quiet --no-header -o requirements-agent.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev -c requirements.lock --no-strip-extras --universal --python-version 3.11 --generate-hashes --quiet --no-header -o requirements-dev.lock

clean:           ## Remove environments, caches and the demo's folder
	rm -rf $(VENV) $(VENV)-agent $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d: set PYTHON=" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml requirements.lock
	@echo "installing the coordinator and the agent"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "installing the development tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The agent alone, from the built wheel and without extras: what a printer's desktop gets.
$(VENV)-agent/.installed: $(VENV)/.dev pyproject.toml
	@echo "installing the agent alone, from its wheel"
	@rm -rf build/wheel $(VENV)-agent
	@$(BIN)/python -m build --wheel --outdir build/wheel . >/dev/null
	@$(BIN)/python -m pip freeze --exclude-editable > build/constraints.txt
	@$(PYTHON) -m venv $(VENV)-agent
	@$(VENV)-agent/bin/python -m pip install --quiet --disable-pip-version-check -c build/constraints.txt build/wheel/*.whl
	@touch $@
