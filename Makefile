# make serve     set up and serve the echo example on 127.0.0.1:10000
# make test      set up and run every check and test; as root with apt-get, install what they need (tests/needs.py)
# make test-all  the same on each of Python 3.11, 3.12 and 3.13 that is installed
# make docs      write docs/CONFIG.md anew, from the config model
# make mutation  mutate the policy, the wire and the gate, and see which mutants live; half an hour (docs/MUTATION.md)
# make search    search small pools exhaustively, six events deep (docs/MUTATION.md); half an hour
# make bench     measure it beside its peers, and write bench/RESULTS.md (nothing in it passes or fails); 17 minutes.
#                BENCH="--only stream lines" prints some rows
# make reality   the same loads on a real pool and in the simulator, with a picture; four minutes
# make claims    demand sizing against the policies of other servers, on all loads; half an hour (docs/POLICY.md)
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
SOURCES := prefork tests examples bench
PLUGINS := $(wildcard examples/plugins/*)

# Tests start some thousand processes of prefork: compiled once, not by each anew, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test test-all lint types imports coverage tests search mutation docs bench reality claims setup system clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-compile --editable '.[msgpack,http,title,uvloop,asgi,wsgi,report]' $(PLUGINS:%=--editable %) --group dev
	touch $@

system:
	@$(PYTHON) tests/needs.py

serve: setup
	$(RUN)/prefork serve examples/echo.py:Echo --listen tcp://127.0.0.1:10000

test: lint types imports coverage tests

lint: setup
	$(RUN)/ruff check $(SOURCES)
	$(RUN)/ruff format --check $(SOURCES)

types: setup
	$(RUN)/mypy prefork examples tests bench

imports: setup
	$(RUN)/lint-imports

coverage: setup
	$(RUN)/coverage run -m pytest --quiet tests/unit/policy tests/unit/backends/test_gate.py tests/unit/test_wire.py
	$(RUN)/coverage report

tests: setup system
	$(RUN)/python -m pytest --numprocesses $$((1 + $$(nproc))) --dist worksteal  # one more than cores: they wait at times

test-all:
	@for version in 3.11 3.12 3.13; do \
	  if command -v python$$version >/dev/null && python$$version -c '' 2>/dev/null; then \
	    echo "== Python $$version"; \
	    $(MAKE) test PYTHON=python$$version VENV=.venvs/$$version || exit 1; \
	  else echo "== Python $$version is not installed: left out"; fi; \
	done

docs: setup
	$(RUN)/prefork schema --markdown > docs/CONFIG.md

mutation: setup
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group mutation
	$(RUN)/mutmut run --max-children $$(nproc)
	$(RUN)/mutmut results

search: setup
	$(RUN)/python -m tests.property.search_further

bench: setup
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-compile --group bench
	$(RUN)/python -m bench $(BENCH)

reality: setup
	$(RUN)/python -m bench.reality --picture docs/pictures/reality.png

claims: setup
	$(RUN)/python -m bench.policy --out docs/pictures

clean:
	rm -rf $(VENV) .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage mutants
