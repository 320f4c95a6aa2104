# The commands of the project; each is one line of a tool, the work is in Python.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway
VENV  := $(CACHE)/venv-$(shell sha256sum requirements-dev.txt | cut -c1-12)
PY    := .venv/bin/python
NAME  ?= demo

.PHONY: demo test soak check bench up down status shell
.DEFAULT_GOAL := help

help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

.venv: requirements-dev.txt  # the environment lives in the cache, so that a fresh clone has it at once
	@test -e $(VENV)/.done || { echo "installing the Python packages ..."; rm -rf $(VENV); python3 -m venv $(VENV) \
	  && $(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt && touch $(VENV)/.done; }
	@ln -sfn $(VENV) .venv
