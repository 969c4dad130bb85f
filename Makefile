# make demo      install, then draw the example product launch on the embedded service
# make test      install, then pass the tests
# make check     everything that CI checks: format, lint, types, imports, tests, clean installation
# make bench     measure what the README quotes
# make soak      the long tests
# make newest    try newer versions of the SDKs and of Prefect, and print what changes (an hour)
# make mutants   change the code that guards money and see which tests notice (hours)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Quiet but for errors: a package index that lacks one package is no news.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile
# A third of their time the tests wait for processes of their own: one worker more than there are cores.
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')
say = @printf '\033[1m==>\033[0m %s\n' "$(1)"

.PHONY: help install demo test check format lint types imports spelling pictures package bench soak newest mutants constraints clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' $(MAKEFILE_LIST)

install: $(STAMP)

$(STAMP): pyproject.toml emulator/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "assetmill needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(call say,[1/4] creating $(VENV))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call say,[2/4] installing the pinned packages (half a minute))
	@$(PIP) -c constraints.txt pip
	@$(PIP) -c constraints.txt -e ./emulator -e .[local] --group dev
	$(call say,[3/4] compiling them on every core (so that no first run waits for it))
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	$(call say,[4/4] preparing Prefect's local database)
	@$(BIN)/assetmill setup
	@touch $@

demo: install
	$(call say,assetmill run product-launch)
	@$(BIN)/assetmill run product-launch

test: install
	$(call say,pytest)
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup

check: format lint types imports spelling pictures test package
	$(call say,all checks passed)

format: install
	$(call say,ruff format --check)
	@$(BIN)/ruff format --check .

lint: install
	$(call say,ruff check)
	@$(BIN)/ruff check .

types: install
	$(call say,pyright)
	@$(BIN)/pyright

imports: install
	$(call say,lint-imports)
	@$(BIN)/lint-imports

# Not the tests: they misspell words on purpose, to see the right ones suggested.
spelling: install
	$(call say,codespell)
	@$(BIN)/codespell assetmill emulator flows tasks benchmarks configs deployments docs README.md CHANGELOG.md

# The pictures of the pages are locked like anybody's: neither a network nor a store is asked.
pictures: install
	$(call say,assetmill check)
	@$(BIN)/assetmill check

package: install
	$(call say,build the wheel, install it in a clean environment, import every entry point elsewhere)
	@.ci/clean-install $(BIN)/python

bench: install
	$(call say,benchmarks)
	@$(BIN)/python -m benchmarks

soak: install
	$(call say,pytest -m soak)
	@$(BIN)/pytest -q -m soak --timeout 3600

newest: install
	$(call say,newer versions of the SDKs and of Prefect)
	@$(BIN)/python -m benchmarks.newest

mutants: install
	$(call say,mutmut)
	@$(PIP) -c constraints.txt --group mutants
	@$(BIN)/python -m mutmut run --max-children 2; $(BIN)/python -m mutmut results

constraints:
	@.ci/pin-constraints $(PYTHON)

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .import_linter_cache
