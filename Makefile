# Everything a person needs; `make help` lists it. Without make: see README.md.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8501

.DEFAULT_GOAL := help
.PHONY: help cluster run demo test check campaign docs lock sbom bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

# Every package by its hash, then what has none: torch, whose builds differ by machine and index, and
# what that build brings. Where an index has other builds, LOCKED=no takes versions alone.
LOCKED ?= yes
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
ifeq ($(LOCKED),yes)
by_hash = $(PIP) --require-hashes --no-deps -r $(1)
endif

$(VENV)/ready: requirements.txt requirements.lock
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(call by_hash,requirements.lock)
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt requirements-dev.lock
	$(call by_hash,requirements-dev.lock)
	$(PIP) -r requirements.txt -r requirements-dev.txt
	touch $@

$(VENV)/ready-cluster: $(VENV)/ready requirements-cluster.txt requirements-cluster.lock
	$(call by_hash,requirements-cluster.lock)
	$(PIP) -r requirements.txt -r requirements-cluster.txt
	touch $@

cluster: $(VENV)/ready-cluster  ## also install Ray, for more than one machine

run: $(VENV)/ready  ## set up and open the dashboard on http://127.0.0.1:8501
	@echo "S2L Studio: http://127.0.0.1:$(PORT)  (Ctrl-C ends the dashboard; running jobs go on)"
	$(VENV)/bin/streamlit run streamlit_app.py --server.port $(PORT)

demo: $(VENV)/ready  ## run the embedded demo without a browser (about 1 min on 2 idle cores of an Intel Xeon with AMX, 2 to 4 min on slower or busy ones)
	$(PY) -m core demo

test: $(VENV)/ready-dev  ## set up and run unit, page and browser tests
	$(PY) -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/ready-dev  ## lint and type-check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock: $(VENV)/ready  ## write the lock files again, after a change of requirements*.txt
	$(PIP) uv==0.13.9
	VENV=$(VENV) bash deploy/lock.sh

sbom: $(VENV)/ready  ## write sbom.json: every package of this installation, CycloneDX
	$(PY) deploy/sbom.py sbom.json

COUNT ?= 500
campaign: $(VENV)/ready-dev  ## attack: COUNT bad command lines and inputs, clocks, races, kills, full disks, two servers
	$(PY) -m tests.campaigns.command_lines $(COUNT)
	$(PY) -m tests.campaigns.bad_inputs $(COUNT)
	$(PY) -m tests.campaigns.clocks $(COUNT)
	$(PY) -m tests.campaigns.races $(shell expr $(COUNT) / 5)
	$(PY) -m tests.campaigns.kills $(shell expr $(COUNT) / 5)
	$(PY) -m tests.campaigns.two_servers $(shell expr $(COUNT) / 50)
	$(PY) -m tests.campaigns.disk_full $(shell expr $(COUNT) / 5) 5
	$(PY) -m tests.campaigns.every_write $(COUNT) 0 10
	$(PY) -m tests.campaigns.group_kills $(shell expr $(COUNT) / 50)
	$(PY) -m tests.campaigns.stops $(shell expr $(COUNT) / 50)
	$(PY) -m tests.campaigns.server_kills $(shell expr $(COUNT) / 25)
	$(PY) -m tests.campaigns.summaries 5

docs: $(VENV)/ready  ## write the tables of docs/strategies.md and docs/models.md again
	PYTHONPATH=. $(PY) docs/tables.py

bench: $(VENV)/ready-dev  ## measure side by side: DATA=rows.jsonl, TARGET=model directory (both optional)
	$(PY) benchmarks/recording.py $(if $(DATA),--data $(DATA))
	$(PY) benchmarks/memory.py
	$(PY) benchmarks/selection.py
	$(PY) benchmarks/planted_skills.py
	$(if $(and $(DATA),$(TARGET)),$(PY) benchmarks/proxies.py --data $(DATA) --target $(TARGET))

clean:  ## delete the virtual environment and caches, never the workspace
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
