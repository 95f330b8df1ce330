# Everything that a newcomer types. Needs Python >= 3.11 and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools-installed
PEERS := $(VENV)/.peers-installed
BEAM := .venv-beam
# Many tests start a process: without bytecode, each of them compiles the package again.
TESTING := NO_GCE_CHECK=true PYTHONDONTWRITEBYTECODE=
# The quick tests sync thousands of files: where memory is a file system with 500 MB to spare, they write there.
MEMORY = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 500000 {print "PYTEST_DEBUG_TEMPROOT=/dev/shm"}')
# As markers, these would be imported and collected before they are left out.
NOT_QUICK := --ignore=tests/faults --ignore=tests/property --ignore=tests/browser --ignore=tests/benchmarks

FUZZ := 20
PORT := 8080

.PHONY: demo serve test quick faults fuzz mutants beam bench site check release-check clean
.DELETE_ON_ERROR:

demo: $(STAMP)  ## store everything in examples/ in a directory, list it, fetch it back, compare
	@$(BIN)/python examples/demo.py

serve: $(STAMP)  ## show what `make demo` has stored on a page in the browser (PORT=8080)
	@$(BIN)/audiostore serve --bucket ./demo/store --port $(PORT)

test: $(TOOLS)  ## run every test
	$(TESTING) $(BIN)/python -m pytest -q -n 4 --dist worksteal

quick: $(TOOLS)  ## the quick tests, from every room
	$(TESTING) $(MEMORY) $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not (slow or browser)" $(NOT_QUICK)

faults: $(TOOLS)  ## every fault and every kill: print the table, write docs/reliability.md
	$(TESTING) $(BIN)/python -m tests.faults

fuzz: $(TOOLS)  ## feed every parser of foreign bytes for longer (FUZZ=20)
	$(TESTING) FUZZ=$(FUZZ) $(BIN)/python -m pytest -q -n 2 tests/property tests/faults/test_random.py

mutants: $(TOOLS)  ## break the core in a hundred places: do the tests notice? (an hour)
	$(TESTING) $(BIN)/python -m tests.mutants

beam: $(BEAM)/.installed  ## the tests of Apache Beam (half a gigabyte, an environment of its own)
	$(TESTING) $(BEAM)/bin/python -m pytest -q tests/unit/test_fleet_beam.py

bench: $(PEERS)  ## side by side with other tools: print the tables, write docs/performance*.md
	$(TESTING) $(BIN)/python -m benchmarks
	$(TESTING) $(BIN)/python -m benchmarks.serving --output docs/performance-serving.md
	$(TESTING) $(BIN)/python -m benchmarks.awaiting

site: $(TOOLS)  ## the documentation as a site, in build/site; a broken link is an error
	@$(BIN)/python -m tests.site

check: $(TOOLS)  ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

release-check: $(TOOLS)  ## build dist/, and see whether it can be released (RELEASING.md)
	$(BIN)/python -m tests.release_check

clean:
	rm -rf $(VENV) $(BEAM) demo dist build/benchmarks build/site

# Only files with a known hash are installed, and what builds the package is one of them. Modules are compiled when
# they are imported: compiling all of them takes longer than the demo.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
OURSELVES := --no-deps --no-build-isolation --editable .

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing what audiostore needs (the first time, 55 MB are downloaded) ..."
	@$(INSTALL) --require-hashes --requirement constraints.txt
	@echo "Installing audiostore ..."
	@$(INSTALL) $(OURSELVES)
	@touch $@

$(TOOLS): $(STAMP) constraints-dev.txt
	@echo "Installing what the tests need (the first time, 240 MB are downloaded) ..."
	@$(INSTALL) --require-hashes --requirement constraints.txt --requirement constraints-dev.txt
	@touch $@

$(PEERS): $(TOOLS) constraints-bench.txt
	@echo "Installing what is measured beside audiostore ..."
	@$(INSTALL) --require-hashes --requirement constraints.txt --requirement constraints-dev.txt \
		--requirement constraints-bench.txt
	@touch $@

$(BEAM)/.installed: pyproject.toml constraints-beam.txt
	$(PYTHON) -m venv $(BEAM)
	$(INSTALL:$(BIN)%=$(BEAM)/bin%) --require-hashes --requirement constraints-beam.txt
	$(INSTALL:$(BIN)%=$(BEAM)/bin%) $(OURSELVES)
	touch $@
