# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install run test demo lint audit format schema settings prometheus dashboards monitoring-picture proto proto-check buf \
	deployment-check promises bench-prediction bench-similarity bench-scale \
	bench-nearest bench-import bench-curves bench-prediction-speed bench-transfer bench-warm-start bench-everyday \
	bench-transfer-search bench-transfer-search-peers \
	bench-service bench-tracing bench-shift bench-strategies bench-selection bench-faults bench-bad-requests bench-hostile bench-simulation bench-unit-costs clean

VENV := .venv
BIN := $(VENV)/bin
# Further options for pip, such as an index with CPU builds of torch: make install PIP_OPTIONS="--extra-index-url ..."
PIP_OPTIONS ?=
STAMP := $(VENV)/.installed
# The oldest generator whose stubs run under every protobuf that pyproject.toml promises.
PROTO_TOOLS := grpcio-tools==1.73.1 protobuf==6.31.1 setuptools==80.9.0
PROTO_VENV := .venv-proto
AUDIT_TOOL := pip-audit==2.10.1
AUDIT_VENV := .venv-audit
STUBS := client/headstart/v1
BUF := npx --yes --package @bufbuild/buf@1.75.0 buf
# Two tests at a time: each process has a PostgreSQL and a Chroma of its own, and the tests of a file stay together.
PYTEST_OPTIONS ?= -n 2 --dist loadfile
# The folder of downloaded benchmark tables that no wheel has: make bench-prediction DATA=...
DATA ?=

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-27s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv and install everything into it (once; again when the requirements change)

$(STAMP): pyproject.toml constraints.txt
	@set -e; if [ ! -x $(BIN)/python ]; then \
	  found=""; for name in $(PYTHON) python3.11 python3 /usr/bin/python3.11 /usr/bin/python3 python3.12 python3.13; do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$name; break; fi; done; \
	  if [ -z "$$found" ]; then \
	    echo "Headstart needs Python 3.11 or newer, and none was found: install python3.11, or run make with PYTHON=/path/to/it"; exit 2; fi; \
	  echo "Making $(VENV) with $$($$found --version)"; \
	  "$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "$$found cannot make a virtual environment: on Debian and Ubuntu, install the package python3-venv"; exit 2; }; fi; \
	$(BIN)/python -c 'import sys; new = sys.version_info >= (3, 12); new and print("Python is newer than 3.11: DGL has no wheels for it, so the predictor uses the plain torch kernels (equal results)")'; \
	echo "Installing into $(VENV): some minutes the first time"; \
	if [ -t 1 ]; then quiet=; else quiet=--quiet; fi; \
	$(BIN)/python -m pip install --disable-pip-version-check $$quiet $(PIP_OPTIONS) \
	  -c constraints.txt -e '.[cli,plot,server,embedded,bench,dev]'; \
	touch $@

run: install ## the whole service on this machine, on 127.0.0.1:50051; stop it with Ctrl-C
	@exec $(BIN)/headstart-server up

demo: install ## a distributed search on a real benchmark, with and without the service: table and picture
	@exec $(BIN)/python -m benchmarks.demo

test: install proto-check lint prometheus ## everything CI checks
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

prometheus: ## Debian's package of this name, which the tests of dashboards and alerts need (installs it where this is root)
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "The package prometheus is missing: tests of dashboards and alerts are skipped (apt-get install prometheus)"; exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; options="-qq -y --no-install-recommends"; \
	apt-get install $$options prometheus >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install $$options prometheus >/dev/null; }

dashboards: install ## write Grafana's dashboards anew from docker/grafana/panels.yml
	$(BIN)/python docker/grafana/dashboards.py

monitoring-picture: install prometheus ## what an operator sees: docs/img/monitoring.png, of a small search (two minutes)
	$(BIN)/python -m benchmarks.monitoring

lint: install ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: install ## look the pinned dependencies up among known vulnerabilities (needs the internet)
	@$(BIN)/python -m venv $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/python -m pip install --disable-pip-version-check --quiet $(PIP_OPTIONS) $(AUDIT_TOOL)
	$(AUDIT_VENV)/bin/pip-audit --strict -r constraints.txt --no-deps --disable-pip

format: install ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: install ## write the golden dump of the schema anew, after a revision that was meant to change it
	$(BIN)/python -m tests.integration.test_schema

settings: install ## write the table of settings in the operations guide anew
	$(BIN)/python -m tests.unit.runtime.test_settings_table

$(PROTO_VENV)/.installed: Makefile $(STAMP)
	@$(BIN)/python -m venv $(PROTO_VENV)
	@$(PROTO_VENV)/bin/python -m pip install --disable-pip-version-check --quiet $(PIP_OPTIONS) $(PROTO_TOOLS)
	@touch $@

# $(call generate,DIRECTORY) writes the stubs below DIRECTORY.
generate = cd proto && ../$(PROTO_VENV)/bin/python -m grpc_tools.protoc -I . \
	--python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) headstart/v1/*.proto

proto: $(PROTO_VENV)/.installed ## generate the Python stubs from proto/
	rm -f $(STUBS)/*_pb2*.py*
	$(call generate,../client)

proto-check: $(PROTO_VENV)/.installed ## the committed stubs are those that proto/ gives
	@set -e; place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; ( $(call generate,"$$place") ); \
	diff -r -x __init__.py -x __pycache__ $(STUBS) "$$place/headstart/v1" \
	  || { echo "the stubs are not those of proto/: run make proto"; exit 1; }; \
	echo "The stubs are those of proto/"

buf: ## lint the contract, and compare it with the last release of main (needs npm)
	$(BUF) lint proto
	@if git rev-parse --verify --quiet origin/main >/dev/null; then against=origin/main; else against=HEAD; fi; \
	$(BUF) breaking proto --against ".git#ref=$$against,subdir=proto"

deployment-check: install ## what the Dockerfiles say, done without an engine; overlays as kubectl renders them (some minutes)
	$(BIN)/python -m tests.unit.deployment.kustomize
	$(BIN)/python -m tests.unit.deployment.clean_build --pip-options "$(PIP_OPTIONS)"

promises: install ## the promises of all benchmarks that are not met, from benchmarks/results
	$(BIN)/python -m benchmarks.promises

bench-prediction: install ## how well the predictor ranks architectures it has not seen
	$(BIN)/python -m benchmarks.prediction $(if $(DATA),--data $(DATA))

bench-prediction-speed: install ## how quickly a thousand candidates and a single one are predicted
	$(BIN)/python -m benchmarks.prediction.speed

bench-similarity: install ## whether results tell which tasks are alike
	$(BIN)/python -m benchmarks.knowledge_base.task_similarity

bench-scale: install ## answers at 10 k, 100 k and 1 M experiments (half an hour)
	$(BIN)/python -m benchmarks.knowledge_base.scale

bench-nearest: install ## the nearest of a million architectures (half an hour)
	$(BIN)/python -m benchmarks.knowledge_base.nearest

bench-import: install ## how quickly a history comes in
	$(BIN)/python -m benchmarks.knowledge_base.import_rate

bench-warm-start: install ## evaluations that a warm start saves, and what eight workers repeat (half an hour)
	$(BIN)/python -m benchmarks.warm_start
	$(BIN)/python -m benchmarks.warm_start.workers

bench-everyday: install ## whether a warm start copies what is known of the same data (a minute)
	$(BIN)/python -m benchmarks.warm_start.everyday

bench-transfer-search: install ## searches that start from the past of other tasks, and what a user would take instead (DATA=folder of tables; some hours)
	$(BIN)/python -m benchmarks.transfer_search $(if $(DATA),--data $(DATA))

# Other tools have requirements that ours and each other's contradict: environments of their own, the same working file.
PEERS := peers peers-openbox
bench-transfer-search-peers: install ## the searches of other tools for the same table: before the target above (DATA=...; a day)
	@set -e; for name in $(PEERS); do \
	  test -x .venv-$$name/bin/python || $(BIN)/python -m venv .venv-$$name; \
	  .venv-$$name/bin/python -m pip install --disable-pip-version-check --quiet $(PIP_OPTIONS) -r benchmarks/transfer_search/$$name.txt; \
	  PYTHONPATH=client:. .venv-$$name/bin/python -m benchmarks.transfer_search --only-peers $(if $(DATA),--data $(DATA)); done

bench-strategies: install ## strategies alone and selected, on 23 tasks; arms that drift (some hours)
	$(BIN)/python -m benchmarks.strategy
	$(BIN)/python -m benchmarks.strategy.drift

bench-shift: install ## what reweighting the past, or aligning its scales, does when data shift (five minutes)
	$(BIN)/python -m benchmarks.warm_start.domain_shift

bench-curves: install ## how well learning curves are continued (DATA=folder of the curves; ten minutes)
	$(BIN)/python -m benchmarks.learning_curves --data $(DATA)

bench-selection: install ## which algorithm to take, from the past alone (DATA=folder of the scenarios; an hour)
	$(BIN)/python -m benchmarks.strategy.algorithm_selection --data $(DATA)

bench-bad-requests: install ## ten thousand requests that nobody should send (ten minutes)
	$(BIN)/python -m benchmarks.reliability.bad_requests

bench-hostile: install ## one hostile caller beside an ordinary one: what others notice (half an hour)
	$(BIN)/python -m benchmarks.reliability.hostile

bench-faults: install ## fifty kills of all parts under load: is every acknowledged result there, once? (ten minutes)
	$(BIN)/python -m benchmarks.reliability.faults

bench-service: install ## what the service promises under load, beside a call that does nothing (ten minutes)
	$(BIN)/python -m benchmarks.serving

bench-tracing: install ## what OpenTelemetry traces cost a call (five minutes)
	$(BIN)/python -m benchmarks.serving.tracing

bench-simulation: install ## two hundred workers at the pace of real trainings (a quarter of an hour and some minutes)
	$(BIN)/python -m benchmarks.simulation

bench-unit-costs: install ## bytes of an experiment, an architecture and a vector (five minutes)
	$(BIN)/python -m benchmarks.simulation.unit_costs

bench-transfer: install ## whether fine-tuning plans are worth following (ten minutes)
	$(BIN)/python -m benchmarks.transfer

clean: ## remove what can be made again (the data in .headstart stays)
	rm -rf $(VENV) $(PROTO_VENV) $(AUDIT_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
