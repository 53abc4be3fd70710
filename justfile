# `just` lists these. Each is one command that also works without just.

python := ".venv/bin/python"

_default:
    @just --list --unsorted

# make .venv with the locked versions
setup:
    python3 -m venv .venv
    .venv/bin/pip install -q --require-hashes -r .ci/requirements.lock
    .venv/bin/pip install -q --no-deps -e .

# run the tests: all of them, or those named
test *ARGUMENTS:
    {{python}} -m pytest -q -n 2 {{ARGUMENTS}}

# run the tests with branch coverage and compare with .ci/coverage.toml
coverage *ARGUMENTS:
    {{python}} -m pytest -q -n 2 --cov --cov-report= {{ARGUMENTS}}
    {{python}} .ci/coverage.py --lines

# format, then lint
lint:
    .venv/bin/ruff format .
    .venv/bin/ruff check --fix .

# check types with mypy --strict, as pyproject.toml says
types:
    .venv/bin/mypy

# run the benchmarks: all of them, or those named
bench *ARGUMENTS:
    {{python}} -m tests.bench {{ARGUMENTS}}

# fuzz what reads bytes from outside: each target for a minute, or those named
fuzz *ARGUMENTS:
    {{python}} -m tests.fuzz {{ARGUMENTS}}

# show the main job with synthetic people
demo *ARGUMENTS:
    .venv/bin/gateway demo {{ARGUMENTS}}

# write the generated tables and the pictures of the documents anew
docs:
    {{python}} -m pytest -q -n 0 --update-golden tests/docs/test_tables.py
    {{python}} -m docs.pictures

# write the lock files anew; `just lock --upgrade` takes newer versions
lock *ARGUMENTS:
    .ci/lock {{ARGUMENTS}}

# write sbom.json (CycloneDX) of the environment
sbom:
    .venv/bin/cyclonedx-py environment --pyproject pyproject.toml -o sbom.json .venv/bin/python

# everything that decides whether a change lands
ci:
    .ci/run
