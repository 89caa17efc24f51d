# Everything runs from a fresh clone with Python 3.11 or newer and make. `make help` lists the targets.

# The first of these that is new enough; PYTHON=… overrules.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 5
FAST_WORKERS ?= 2
# The paths that pyright checks; none are all that pyproject.toml names.
TYPED ?=
# Whatever an environment says: without compiled files each of the tests' processes compiles anew.
unexport PYTHONDONTWRITEBYTECODE
# Seconds by which a process may be late: the soak is for a machine that has nothing else to do.
TEST_MARGIN ?= 1.5
FUZZ_SECONDS ?= 60
UPSTREAM := $(VENV)-upstream
UPSTREAM_PIP := $(UPSTREAM)/bin/python -m pip install -qq --disable-pip-version-check \
	-c constraints.txt -c constraints-upstream.txt

.PHONY: help setup hooks demo test test-fast check style types types-windows verify-types floors pytest \
	format soak chaos upstream matrix wheel-test package docs bench bench-page bench-check coverage \
	mutation fuzz audit release clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(VENV)/.stamp  ## make the environment; the other targets do it by themselves

$(VENV)/.stamp: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found; install one, or say make PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) (a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@# Build backends first, so that the pinned ones are used: constraints do not reach isolated builds.
	@$(PIP) hatchling hatch-fancy-pypi-readme setuptools
	@$(PIP) --no-build-isolation -e '.[dev,mcp,openai]'
	@touch $@

# An extra of pyproject.toml whose tools few targets need.
$(VENV)/.stamp-%: $(VENV)/.stamp
	@echo "Installing the tools of '$*' into $(VENV)"
	@$(PIP) --no-build-isolation -e '.[$*]'
	@touch $@

demo: setup  ## a team that talks for ten seconds; press Ctrl-C
	@$(BIN)/python examples/terminal/demo.py

# Types take long, and are checked beside the tests; what that says comes last. mypy checks all of them,
# and pyright those of what ships. The others, and those of Windows, are checked by `make check`, and by
# continuous integration.
test: style floors  ## style, types, floors and tests
	@$(MAKE) --no-print-directory types verify-types TYPED="supervisor examples" \
		>$(VENV)/.types.log 2>&1 & types=$$!; \
	$(MAKE) --no-print-directory pytest; tests=$$?; \
	wait $$types; found=$$?; cat $(VENV)/.types.log; \
	test $$tests -eq 0 && test $$found -eq 0

# The sweeps are in-process too, but take long.
test-fast: setup  ## what needs no child process, on one loop: less than a minute, while one works
	$(PYTEST) -n $(FAST_WORKERS) tests/unit -m "not process and not soak" -k "not uvloop" \
		--ignore=tests/unit/testing/test_sweeps.py

check: style types types-windows verify-types floors  ## style, types (of Windows, too) and floors, without tests

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	@# Node comes from a wheel: nothing is downloaded when pyright runs.
	PYRIGHT_PYTHON_GLOBAL_NODE=0 $(BIN)/pyright $(TYPED)

# The package as Windows would have it. mypy calls code for other systems unreachable there, and what it
# ignores in it unused.
types-windows: setup
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/windows \
		--no-warn-unreachable --no-warn-unused-ignores supervisor
	PYRIGHT_PYTHON_GLOBAL_NODE=0 $(BIN)/pyright --pythonplatform Windows supervisor

# Check in the wheel, as a user's type checker would, that the type of each public name is known. This
# runs outside the checkout, whose sources would be found first.
verify-types: setup
	@rm -rf build/typed
	@$(PIP) --no-deps --no-index --no-build-isolation --target build/typed .
	@cd build/typed && PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=. PYRIGHT_PYTHON_GLOBAL_NODE=0 \
		pyright --ignoreexternal --verifytypes supervisor

floors: setup
	$(BIN)/lint-imports

# More workers than cores: many tests wait for a rung's seconds, or for a child process. With RETRY=1
# what failed runs once more, alone. What passes then is still named: it fails beside others, and why is
# to be found.
pytest: setup
	$(PYTEST) -n $(WORKERS) || { test -n "$(RETRY)" && echo "== failed beside others; now alone" && \
		$(PYTEST) -x -v --last-failed --last-failed-no-failures=none; }

format: setup  ## mend what the style checks can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The project's own checks as git hooks; they are in .pre-commit-config.yaml.
hooks: $(VENV)/.stamp-hooks  ## install the checks as git hooks
	@$(BIN)/pre-commit install

soak: setup  ## the long grids of tests
	SOAK=1 TEST_MARGIN=$(TEST_MARGIN) $(PYTEST) -m soak

# Prints how programs end that get a signal; the status is 1 if one of ours breaks a promise. The peers
# come from a package index; those that cannot be installed are skipped, and the table says so.
chaos: setup  ## stop programs in every state, ours and its peers; print how each ends
	@$(MAKE) --no-print-directory $(VENV)/.stamp-peers || echo "chaos: not all peers are here" >&2
	@$(BIN)/python -m tests.chaos

# Runs AutoGen's own tests alone, and with every run under a supervisor; the outcomes must be the same.
# The tests come from a package index; without one they are skipped, with a message.
upstream: setup  ## AutoGen's own tests, alone and under a supervisor
	@$(BIN)/python -m tests.upstream.fetch build/upstream || \
		{ echo "upstream: SKIPPED, for AutoGen's own tests cannot be had here"; exit 0; }; \
	$(MAKE) --no-print-directory $(UPSTREAM)/.stamp && \
	$(UPSTREAM)/bin/python -m tests.upstream.compare build/upstream

$(UPSTREAM)/.stamp: pyproject.toml constraints.txt constraints-upstream.txt
	@echo "Setting up $(UPSTREAM) (about half a minute)"
	@$(PYTHON) -m venv $(UPSTREAM)
	@$(UPSTREAM_PIP) hatchling hatch-fancy-pypi-readme
	@$(UPSTREAM_PIP) --no-build-isolation -e . 'autogen-ext[anthropic,mcp,openai]==0.7.5' 'mcp<2' \
		pytest pytest-asyncio pytest-timeout
	@touch $@

# Quick suites with other Pythons, AutoGens and dependencies, each in an environment of its own; what
# came of them goes into docs/support.md. WHOLE=1 runs every test on each Python that is found.
matrix: $(VENV)/.stamp-nox  ## the tests with every Python and AutoGen found; docs/support.md
	@$(BIN)/nox $(if $(WHOLE),-s whole); status=$$?; \
	$(BIN)/python -m scripts.versions.page; exit $$status

# What is tested is the wheel, in an environment of its own, by the tests of the sdist. FULL=1 runs all.
wheel-test: package $(VENV)/.stamp-nox  ## the tests against the built wheel, without the source
	@FULL=$(FULL) $(BIN)/nox -s wheel

# The wheel is built from the sdist, and once more from here: both must be the same. They have the time
# of the commit, and so the digests of `make release`.
package: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
package: $(VENV)/.stamp-package verify-types  ## what ships, in dist/: built, and looked at
	@rm -rf dist build/from-here
	@$(BIN)/validate-pyproject pyproject.toml
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/python -m build --no-isolation --wheel --outdir build/from-here
	@cmp dist/*.whl build/from-here/*.whl
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/check-wheel-contents dist/*.whl

# Warnings are errors. Nothing is downloaded while the site is built, or when it is read.
docs: $(VENV)/.stamp-docs  ## the site of the docs, in build/site
	@# The generator's successor would be announced each time.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "build/site/index.html is the first page; to search: $(BIN)/python -m http.server -d build/site"

# Asks every question of benchmarks/ in one run. BENCH="latency many" asks these only. What is measured is
# in OUTPUT, also if a question fails. A machine that does other things meanwhile gives other figures.
BENCH ?=
OUTPUT ?= build/bench.json
bench: setup  ## the measurements, beside AutoGen alone and the peers: 12 minutes
	@$(MAKE) --no-print-directory $(VENV)/.stamp-peers || echo "bench: not all peers are here" >&2
	@$(BIN)/python -m benchmarks --output $(OUTPUT) $(BENCH)

bench-page: setup  ## docs/benchmarks.md and all quoted figures, from benchmarks/reference.json
	@$(BIN)/python -m benchmarks._page

# RUN=build/bench.json takes a run that was made before.
RUN ?=
bench-check: setup  ## measure, and fail if a figure that a page quotes is off by more than a third
	@test -n "$(RUN)" || $(MAKE) --no-print-directory bench
	@$(BIN)/python -m benchmarks._check $(or $(RUN),$(OUTPUT))

# Fails on a mutant that no test notices and that scripts/mutation/explained.toml does not explain.
mutation: $(VENV)/.stamp-mutation  ## change the code of a stop and the store; a test must fail
	$(BIN)/python -m scripts.mutation

fuzz: setup  ## look for inputs that reach other code; FUZZ_SECONDS for each test
	@$(MAKE) --no-print-directory $(VENV)/.stamp-fuzz || true
	@$(BIN)/python -m tests.fuzz.coverage_guided $(FUZZ_SECONDS)

# The advisories are on a server: without it that half is skipped, with a message.
audit: $(VENV)/.stamp-audit  ## look for what is unsafe in the code, and known of the pinned versions
	$(BIN)/bandit -q -c pyproject.toml -r supervisor
	@found=$$($(BIN)/pip-audit --disable-pip --no-deps -r constraints.txt 2>&1); status=$$?; \
	case "$$found" in \
		*"could not be audited"*|*[Cc]onnection*|*"Max retries"*|*ServiceError*) \
			echo "audit: SKIPPED the pinned versions, for the advisories cannot be had here";; \
		*) echo "$$found"; exit $$status;; \
	esac

# Takes two to three times as long as the tests alone, and so may each test. The report comes even
# where a test has failed. With Python 3.11, coverage.py misses lines where an exception is thrown into
# nested coroutines: the whole is measured with a later one (`PYTHON=python3.13 VENV=.venv-3.13`).
coverage: setup  ## the tests again, with the code that they reach
	@rm -rf .coverage-children
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) -o timeout=300; tests=$$?; \
	$(BIN)/python -m tests.coverage_plugin && \
	$(BIN)/coverage combine -q && \
	$(BIN)/coverage report $$($(BIN)/python -c \
		'import sys; print("--fail-under=98" if sys.version_info < (3, 12) else "")') && exit $$tests

# With TAG=1 it makes the tag, too. Pushing the tag publishes.
release: setup  ## build what is committed twice, compare, and leave files and digests in dist/
	@$(BIN)/python -m scripts.release $(if $(TAG),--tag)

clean:  ## remove what the others made
	rm -rf .venv .venv-* build dist .coverage .coverage.* .coverage-children .hypothesis \
		.import_linter_cache .mypy_cache .nox .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
