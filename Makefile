# Two commands matter: `make demo` and `make test`. Both need only Python 3.11
# or newer, make and git; the first call makes the environment in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-long test-wide test-cluster test-ui lint secrets audit types ui emulator notebook notebook-results dbt bench bench-accounts bench-requests bench-stores bench-memory bench-soak docs pictures lock clean

demo: $(VENV)/.installed
	$(BIN)/aeries-pipeline demo

# Two test processes share the cores already; of small tables one thread makes less work.
test: lint types secrets
	AERIES_DUCKDB_THREADS=1 $(BIN)/python -m pytest -m "not long and not cluster" -n auto --maxprocesses 4 --dist worksteal --durations=25

test-long: $(VENV)/.installed $(VENV)-duckdb14/.installed $(VENV)-dbt/.installed
	$(BIN)/python -m pytest -m long -n 3 --dist worksteal --durations=25

# The same with more of what chance decides: some forty minutes more.
test-wide:
	TESTS_WIDE=1 $(MAKE) test-long

# What an engineer does in the UI, in a real Chromium; test-long has these tests, too.
test-ui: $(VENV)/.installed
	$(BIN)/python -m pytest -s -m long aeries_pipeline_tests/processes/test_browser.py \
		aeries_pipeline_tests/processes/test_browser_runs.py \
		aeries_pipeline_tests/processes/test_command_runs.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Nothing that looks like a secret may be under version control.
secrets: $(VENV)/.installed
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --exclude-files '(\.lock$$|\.ipynb$$|golden/)'

# Known vulnerabilities of the locked versions; asks a public list.
audit: $(VENV)/.installed
	$(BIN)/python .ci/audit.py

types: $(VENV)/.installed
	$(BIN)/mypy

# The UI on http://127.0.0.1:3000 or PORT, with the demo's districts served beside it.
ui: $(VENV)/.installed
	$(BIN)/aeries-pipeline ui --emulator $(if $(PORT),--port $(PORT))

emulator: $(VENV)/.installed
	$(BIN)/aeries-pipeline emulator --demo

# The analysts' notebook on the published copy, in an environment of its own.
notebook: $(VENV)-notebook/.installed
	$(VENV)-notebook/bin/jupyter lab docs/analysts.ipynb

# Its results anew, from what `make demo` left.
notebook-results: $(VENV)-notebook/.installed
	$(VENV)-notebook/bin/jupyter nbconvert --to notebook --execute --inplace docs/analysts.ipynb
	$(VENV)-notebook/bin/jupyter nbconvert --to notebook --inplace \
		--ClearMetadataPreprocessor.enabled=True docs/analysts.ipynb

# The worked dbt project, from what `make demo` left, in an environment of its own.
dbt: $(VENV)-dbt/.installed
	AERIES_PUBLISHED=$(or $(AERIES_DATA_DIR),$(CURDIR)/data)/published/aeries.duckdb \
		$(VENV)-dbt/bin/dbt build --project-dir docs/dbt --profiles-dir docs/dbt

$(VENV)-dbt/.installed: docs/dbt/requirements.lock
	$(PYTHON) -m venv $(VENV)-dbt
	$(VENV)-dbt/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r docs/dbt/requirements.lock
	touch $@

$(VENV)-notebook/.installed: docs/notebook.lock
	$(PYTHON) -m venv $(VENV)-notebook
	$(VENV)-notebook/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r docs/notebook.lock
	touch $@

# Ratios of a pull to the floor and to the usual tools, in one run; see
# docs/performance.md. The usual tools live in an environment of their own.
bench: $(VENV)/.installed $(VENV)-bench/.installed
	$(BIN)/python benchmarks/table.py --others $(VENV)-bench/bin/python $(BENCH)

# The oldest DuckDB that must read the published copy, in an environment of its own.
$(VENV)-duckdb14/.installed: aeries_pipeline_tests/duckdb14.lock
	$(PYTHON) -m venv $(VENV)-duckdb14
	$(VENV)-duckdb14/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r aeries_pipeline_tests/duckdb14.lock
	touch $@

$(VENV)-bench/.installed: benchmarks/requirements.lock
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r benchmarks/requirements.lock
	touch $@

# Ratios of computing a million accounts to a bare join.
bench-accounts: $(VENV)/.installed
	$(BIN)/python benchmarks/accounts.py $(BENCH)

# Seconds for each course request at four sizes, as ratios to the smallest.
bench-requests: $(VENV)/.installed
	$(BIN)/python benchmarks/course_requests.py $(BENCH)

# What a file for each district is worth: writers at once, publications, looks at all of them.
bench-stores: $(VENV)/.installed
	$(BIN)/python benchmarks/stores.py $(BENCH)

# A county in a container's memory of 512 MB, and sixty nights in one go: by hand, on Linux.
bench-memory: $(VENV)/.installed
	$(BIN)/python benchmarks/small_memory.py $(BENCH)

bench-soak: $(VENV)/.installed
	$(BIN)/python benchmarks/soak.py $(BENCH)

# The pages that follow from the code; a test fails while they are not current.
docs: $(VENV)/.installed
	$(BIN)/python docs/generate.py

# The pictures of the documentation, from a demo of its own; needs Chromium.
pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py

# Many machines: real Postgres, Redis and an S3 server, machines killed and cut off; then the
# tests of kills and faults on one machine once more, on the store of many.
BOTH_STORES := ingest/test_faults.py ingest/test_pull.py orchestration/test_raw_assets.py \
	processes/test_kill.py processes/test_random_kills.py

test-cluster: $(VENV)-cluster/.installed
	AERIES_TEST_CLUSTER=1 $(VENV)-cluster/bin/python -m pytest -m cluster -n 3 --dist worksteal
	AERIES_TEST_CLUSTER=1 AERIES_TEST_STORE=shared RANDOM_KINDS=publish,forget,pull,backup \
		AERIES_DUCKDB_THREADS=1 $(VENV)-cluster/bin/python -m pytest -n 2 --dist worksteal \
		-m "long or not long" -k "not demo" $(addprefix aeries_pipeline_tests/,$(BOTH_STORES))

$(VENV)-cluster/.installed: aeries_pipeline_tests/cluster.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)-cluster
	$(VENV)-cluster/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r aeries_pipeline_tests/cluster.lock
	$(VENV)-cluster/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	touch $@

# Pins every version with its hashes; names no index.
lock:
	$(BIN)/python -m pip install --quiet uv
	echo "duckdb==1.5.5" > $(VENV)/constraints.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--constraint $(VENV)/constraints.txt --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra cluster --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--constraint requirements.lock --output-file deploy/requirements.lock
	$(BIN)/uv pip compile pyproject.toml aeries_pipeline_tests/cluster.in --extra dev --extra cluster \
		--universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--constraint requirements.lock --output-file aeries_pipeline_tests/cluster.lock
	echo "duckdb==1.4.0" | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url \
		--output-file aeries_pipeline_tests/duckdb14.lock
	$(BIN)/uv pip compile benchmarks/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--output-file benchmarks/requirements.lock
	$(BIN)/uv pip compile docs/notebook.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--output-file docs/notebook.lock
	$(BIN)/uv pip compile docs/dbt/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url \
		--output-file docs/dbt/requirements.lock

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
