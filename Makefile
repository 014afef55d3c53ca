# Nothing is needed beforehand but Python >= 3.11 and the package registries: uv comes from PATH or into .bootstrap/, Python
# packages from uv.lock, and the stack's five programs are built once from Go modules into the user's cache.

UV_VERSION := 0.13.8
UV := $(shell command -v uv 2>/dev/null || echo .bootstrap/bin/uv)
RUN := $(UV) run --locked --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-airflow test-airflow-versions test-versions test-shapes test-crash test-faults test-alerts test-ui test-docker test-kubernetes test-spark test-reproducible screenshots dist sbom check format generate bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 30

demo: $(UV) ## Set everything up, run the jobs of the demo, show what arrived, stop
	@$(RUN) batchtel demo

test: $(UV) ## Run the tests, against the real programs
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) pytest -n 3 --dist loadfile

test-airflow: $(UV) ## Run the tests on real Airflow 3.3 and 2.11, against the real stack
	@$(RUN) batchtel stack build > /dev/null
	PATH="$(dir $(abspath $(UV))):$$PATH" $(RUN) pytest -o timeout=900 -m 'airflow and not versions'

test-airflow-versions: $(UV) ## Run the same tests on the other versions of Airflow
	@$(RUN) batchtel stack build > /dev/null
	PATH="$(dir $(abspath $(UV))):$$PATH" $(RUN) pytest -o timeout=900 -m 'airflow and versions'

test-versions: $(UV) ## Run the job side's tests on every Python that is here, with the oldest OpenTelemetry, too
	UV="$(UV)" $(RUN) python -m tests.support.versions $(PAIRS)

test-shapes: $(UV) ## Run all generated process shapes, with batchtel and without
	$(RUN) pytest -m '' tests/instrumentation/shapes

test-crash: $(UV) ## Kill the collector 200 times under load, and compare Prometheus with what was acknowledged
	@$(RUN) batchtel stack build > /dev/null
	BATCHTEL_CRASH_ROUNDS=200 $(RUN) pytest tests/pipeline/test_crash.py

test-faults: $(UV) ## Run the long outages, 15 minutes, against the real programs
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) pytest -m faults

test-alerts: $(UV) ## Simulate 30 days of a healthy fleet, 25 minutes with each engine, and a day with faults
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) python -m tests.dashboards.alerts.simulation.healthy_month
	$(RUN) python -m tests.dashboards.alerts.simulation.faults

test-ui: $(UV) ## Look at the pages in a real browser, Debian's chromium, after the demo
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) pytest -m ui tests/ui

test-docker: $(UV) ## Run compose.yaml and jobs in containers, with the Docker engine of this machine or one of Debian's docker.io
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) pytest -m $(if $(SHORT),'docker and not built',docker) tests/docker

test-kubernetes: $(UV) ## Apply the manifests to a real API server, and run their pods on this machine
	@$(RUN) batchtel stack build > /dev/null
	$(RUN) pytest -m kubernetes tests/kubernetes

test-spark: $(UV) ## Run the tests on real Spark 4.1 and 3.5 in local mode, which need Java 17
	@$(RUN) batchtel stack build > /dev/null
	PATH="$(dir $(abspath $(UV))):$$PATH" $(RUN) pytest -o timeout=900 -n 2 --dist loadgroup -m $(if $(SHORT),'spark and not versions',spark) tests/spark

screenshots: $(UV) ## Write the pictures of docs/ again, with Debian's chromium
	$(RUN) python -m tests.ui.screenshots docs/screenshots

dist: $(UV) ## Build wheel and sdist into dist/
	$(UV) build --quiet --out-dir dist

sbom: dist ## Write the SBOM of the wheel, for each extra, and of the collector into dist/, in CycloneDX
	@$(RUN) batchtel stack build collector > /dev/null
	UV="$(UV)" $(RUN) python -m tests.support.sbom dist

test-reproducible: $(UV) ## Build wheel, sdist and collector again, without Go's cache, and compare the bytes, 5 minutes
	@$(RUN) batchtel stack build collector > /dev/null
	GOCACHE="$$(mktemp -d)" $(RUN) pytest -o timeout=3600 tests/test_reproducible.py

check: $(UV) ## Check format, lint, types and the lock file
	$(UV) lock --check
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

format: $(UV) ## Format the code and mend what lint can mend
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

generate: $(UV) ## Write every committed output again: rendered configurations, rules, reference
	$(RUN) python docs/generate.py

bench: $(UV) ## Print what telemetry costs, side by side with its peers
	$(RUN) --group bench python -m benchmarks

clean: ## Remove what make has put into this folder; the programs in the user's cache stay
	rm -rf .bootstrap .venv .mypy_cache .ruff_cache .pytest_cache dist

.bootstrap/bin/uv:
	@echo "uv is not on PATH: installing it into .bootstrap" >&2
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: python3 is older than 3.11; put a newer one on PATH" >&2; exit 2; }
	@python3 -m venv .bootstrap \
		|| { echo "error: python3 cannot make a virtual environment; install its venv module (Debian: python3-venv) or uv" >&2; exit 2; }
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
