# What a developer types. `make` alone lists the targets.
PYTHON ?= python3
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

pip := .venv/bin/pip --disable-pip-version-check --quiet
# pip takes five times as long, but knows of mirrors that are set for it alone
uv_itself := sed -n '/^uv==/,/[^\\]$$/p' constraints.txt
# the exact set that the tests were run with; hashes included, so pip takes nothing else
pin := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
       --custom-compile-command "make constraints" $(UPGRADE)

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | sed 's/\$$\$$/$$/' | expand -t 20

venv: .venv/installed  ## .venv with byok8s (editable) and everything it and its tests need

.venv/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "byok8s needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "installing .venv (half a minute, or two)" >&2
	$(PYTHON) -m venv .venv
	$(pip) install --require-hashes -r <($(uv_itself))
	VIRTUAL_ENV=.venv .venv/bin/uv pip install --quiet --require-hashes -r constraints.txt || \
	  $(pip) install --require-hashes -r constraints.txt
	$(pip) install --no-index --no-deps --no-build-isolation -e .
	touch $@

constraints: venv  ## write constraints*.txt anew from pyproject.toml; UPGRADE=-U takes newer versions
	printf 'snakemake==9.27.1\nhatchling\neditables\n' | \
	  $(pin) --extra local --extra otlp --group corpus --group dev --group docs pyproject.toml - -o constraints.txt
	# what a worker image needs of it
	printf 'snakemake\nsnakemake-storage-plugin-s3\npy-rattler\nzstandard\n' | \
	  $(pin) -c constraints.txt - -o constraints-worker.txt
	# the same with what Snakemake's own tests need
	printf 'snakemake\nsnakemake-storage-plugin-s3\n' | \
	  $(pin) -c constraints.txt --group corpus - -o tests/rig/constraints-corpus.txt
	# the plugin that Snakemake will have for containers, whose commands a test takes: not for Snakemake 9
	printf 'snakemake-software-deployment-plugin-container\n' | \
	  $(pin) - -o tests/helpers/container-plugin.txt
	# and the example's, beside its tools
	printf 'snakemake\nsnakemake-storage-plugin-s3\nsourmash\n' | \
	  $(pin) -c constraints.txt - -o examples/metagenomics/requirements.txt

demo: venv  ## run the smallest example and show its result
	@scripts/demo.sh

check: lint  ## the same and the unit tests: some two minutes
	.venv/bin/pytest --numprocesses auto --dist loadgroup tests/unit

lint: venv  ## lint, formatting, types and layers
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

test: venv  ## every test; ARGS="-k word" goes to pytest
	@scripts/test.sh $(ARGS)

conformance: venv  ## Snakemake's own tests beside plain Snakemake, and docs/conformance.md of it; ARGS="--local test01"
	@scripts/conformance.sh $(ARGS)

vendor:  ## fetch the plotting library of reports from npm again, by its version and checksum in scripts/vendor.sh
	@scripts/vendor.sh

docs: venv  ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build

bench: venv  ## measure byok8s beside Snakemake's own Kubernetes executor, on the rig; ARGS="-n 5"
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; .venv/bin/python bench/seed.py $(ARGS)

bench-metagenomics: venv  ## the same of the metagenomics example, in its own image: time, and what its pods keep of the node
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; export BYOK8S_IMAGE=$$BYOK8S_TEST_METAGENOMICS_IMAGE; \
	  .venv/bin/python bench/seed.py -n 1 --workflows all --limit 1800 $(ARGS)

bench-scale: venv  ## byok8s' controller with 10,000 jobs, the workers' work stood in for; ARGS="--jobs 1000"
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; PYTHONPATH=tests/helpers .venv/bin/python bench/scale.py $(ARGS)

bench-workers: venv  ## byok8s' controller with 1,000 workers, whose pods are stood in for; ARGS="--workers 200"
	@PYTHONPATH=tests/helpers .venv/bin/python bench/workers.py $(ARGS)

bench-live: venv  ## what the view of a run takes of a processor; ARGS="--jobs 10000"
	@PYTHONPATH=tests/helpers .venv/bin/python bench/live.py $(ARGS)

bench-distance: venv  ## 200 short jobs, near an S3 server and 50 ms away from it, on the rig; ARGS="-n 5"
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; PYTHONPATH=tests/helpers .venv/bin/python bench/distance.py $(ARGS)

bench-software: venv  ## what a container and a conda environment cost jobs, beside a plain rule, on the rig; ARGS="--jobs 20"
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; PYTHONPATH=tests/helpers .venv/bin/python bench/software.py $(ARGS)

bench-data: venv  ## files into a bucket and back, beside rclone and s5cmd on the same S3 server; ARGS="-n 1 --loads KiB"
	@PYTHONPATH=tests/helpers .venv/bin/python bench/data.py $(ARGS)

bench-faults: venv  ## try upstream with the faults of docs/faults.md, on the rig; ARGS="exit image --at-once 2"
	@tests/rig/up.sh
	@lines=$$(tests/rig/env.sh); eval "$$lines"; PYTHONPATH=tests/helpers .venv/bin/python bench/faults.py $(ARGS)

rig-up: venv  ## start the test rig: Kubernetes and S3 on this machine (root on Debian 12)
	@tests/rig/up.sh

rig-down:  ## stop it
	@tests/rig/down.sh

rig-env:  ## how to use it: eval "$$(make -s rig-env)"
	@tests/rig/env.sh

clean:  ## remove what was made in this folder (the rig's products are in ~/.cache/byok8s-rig)
	rm -rf .venv .byok8s build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help venv constraints demo lint check test conformance vendor docs bench bench-metagenomics bench-scale bench-workers bench-live bench-distance bench-software bench-data bench-faults rig-up rig-down rig-env clean
