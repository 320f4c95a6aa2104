# The commands of the project; each is one line of a tool, the work is in Python.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway
VENV  := $(CACHE)/venv-$(shell sha256sum requirements-dev.txt | cut -c1-12)
PROGRAM_VENV := $(CACHE)/venv-program-$(shell sha256sum requirements.txt | cut -c1-12)
PY    := .venv/bin/python
NAME  ?= demo

.PHONY: .venv demo test test-fast pythons soak pipeline check schema wheel purge starter bench up down status shell
.DEFAULT_GOAL := help

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

# Environments live in the cache, so that a fresh clone has them at once: one of the tests and tools, and one as a user's
# project has it, with what the program needs and nothing else (Pulumi's language host lists all packages in each run).
.venv: requirements-dev.txt requirements.txt
	@install() { test -e $$1/.done || { echo "installing the Python packages of $$2 ..."; rm -rf $$1; python3 -m venv $$1 \
	  && $$1/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $$2 && touch $$1/.done; } \
	  && ln -sfn $$1 $$3; }; \
	install $(PROGRAM_VENV) requirements.txt .venv-program & install $(VENV) requirements-dev.txt .venv && wait $$!

demo: .venv      ## bring up a real cluster and run the program on it: access, staging, production, v2 under load, rollback
	@$(PY) -m sandbox up --name $(NAME)
	@$(PY) -m sandbox exec --name $(NAME) -- $(PY) -m demo

test: .venv      ## all tests: unit, component, engine and pipeline (on a sandbox of their own); ends with pytest's summary
	@$(PY) -m sandbox.runner
	@$(PY) -m tests.environments
	@$(PY) -m sandbox up --name test
	@$(PY) -m sandbox exec --name test -- $(PY) -m pytest -n 3 $(ARGS); status=$$?; \
	  $(PY) -m sandbox down --name test || exit 1; exit $$status

test-fast: .venv ## what needs no sandbox: unit and component tests, for the loop while editing
	@$(PY) -m pytest -n 2 -q tests/unit tests/component tests/attacks/test_attack_*.py $(ARGS)

# Without the sandbox's images: they are the same to the byte from one Python only, which is the sandbox's.
pythons: .venv   ## unit and component tests on each Python that is installed, and with the lowest versions of what it needs
	@$(PY) -m tests.environments pytest -n 2 -q tests/unit tests/component --ignore tests/unit/test_images.py $(ARGS)

soak: .venv      ## every case under every strategy, and many more rounds, kill points and random histories: hours
	@$(PY) -m sandbox.runner
	@$(PY) -m sandbox up --name soak
	@$(PY) -m sandbox exec --name soak -- env SLIPWAY_SOAK=1 $(PY) -m pytest tests/engine tests/unit/test_plan_histories.py tests/unit/test_exploration.py tests/unit/test_fuzz.py tests/unit/test_pipeline_histories.py $(ARGS); status=$$?; \
	  $(PY) -m sandbox down --name soak || exit 1; exit $$status

pipeline: .venv  ## the pipeline's tests: .gitlab-ci.yml run by gitlab-ci-local
	@$(PY) -m sandbox.runner
	@$(PY) -m sandbox up --name pipeline
	@$(PY) -m sandbox exec --name pipeline -- $(PY) -m pytest -n 3 tests/pipeline $(ARGS); status=$$?; \
	  $(PY) -m sandbox down --name pipeline || exit 1; exit $$status

check: .venv     ## ruff, mypy --strict, import-linter, the schema test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest -q tests/unit/test_settings_schema.py

schema: .venv    ## writes the JSON Schema of stack files and docs/settings.md anew, from the settings
	@$(PY) -m ci.reference

wheel: .venv     ## builds the wheel into dist/
	@$(PY) -c 'from pathlib import Path; from demo.installed import build; build("wheel", Path("dist"))' && ls dist/*.whl

purge: .venv     ## stop a sandbox, and remove its images and logs too: make purge [NAME=demo]
	@$(PY) -m sandbox down --purge --name $(NAME)

starter: .venv   ## writes starter/ and the stack files at the root anew, from the templates of `slipway init`
	@$(PY) -m ci.starter

bench: .venv     ## releases and rollbacks against kubectl and Helm, a no-op against a bare Pulumi program
	@$(PY) -m sandbox up --name bench
	@$(PY) -m sandbox exec --name bench -- $(PY) -m bench; status=$$?; $(PY) -m sandbox down --name bench || exit 1; exit $$status

up: .venv        ## start a sandbox: make up [NAME=demo]
	@$(PY) -m sandbox up --name $(NAME)

down: .venv      ## stop a sandbox; its images and logs stay (README)
	@$(PY) -m sandbox down --name $(NAME)

status: .venv    ## what runs in a sandbox
	@$(PY) -m sandbox status --name $(NAME)

shell: .venv     ## a shell inside a sandbox: kubectl, pulumi, slipway, curl of service addresses
	@bin=$$($(PY) -c 'from demo.installed import environment; print(environment() / "bin")') && \
	  $(PY) -m sandbox exec --name $(NAME) -- env SLIPWAY_BIN="$$bin" bash -c 'PATH="$$SLIPWAY_BIN:$$PATH" exec bash'
