# make demo   everything on embedded data, ending with the path of the leaderboard
# make test   the tests          make lint   style and types          make perf   speed against the named peers

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -q -c constraints.txt
EDITABLE := --config-settings editable_mode=compat

.DEFAULT_GOAL := demo
.PHONY: demo test lint format perf clean

demo: $(VENV)/.core
	$(BIN)/stemtree demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

perf: $(VENV)/.dev
	$(BIN)/python -m tests.perf

# torch first and by itself: with the pinned version in place nothing later asks for another build of it.
# tinysoundfont and nussl go without their dependencies: the one asks for pyaudio only to play sound aloud, the other
# for soxbindings, which needs a compiler, and neither is used here.
$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-deps torch
	$(INSTALL) $(EDITABLE) -e '.[synth]'
	$(INSTALL) --no-deps tinysoundfont
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) $(EDITABLE) -e '.[synth,nussl-runtime,dev]'
	$(INSTALL) --no-deps nussl
	$(INSTALL) pesq || echo "pesq could not be compiled: the tests of PESQ are skipped"
	touch $@

clean:
	rm -rf $(VENV) stemtree-out build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
