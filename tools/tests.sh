#!/bin/sh
# Every layer of tests on servers that are there already (AMQP_URI, DATABASE_URL): `make test` starts them around it.
# What has a database and a virtual host of its own runs several at a time; what brings up all five services, or kills
# them, runs alone afterwards, since it waits for things that a busy machine would delay. What failed in either is said
# once more at the end, where whoever reads a long log looks first.
set -eu
cd "$(dirname "$0")/.."
folders="contracts chassis services deploy/local tests"
status=0
JIAYUAN_FAILED_TESTS="$(mktemp)"
export JIAYUAN_FAILED_TESTS
trap 'rm -f "$JIAYUAN_FAILED_TESTS"' EXIT
# shellcheck disable=SC2086
.venv/bin/python -m pytest $folders --durations=10 -n "${JIAYUAN_TEST_PROCESSES:-3}" --dist worksteal \
    -m "not (system or chaos or chaos_long or bench)" || status=$?
# shellcheck disable=SC2086
.venv/bin/python -m pytest $folders --durations=10 -m "(system or chaos) and not (chaos_long or bench)" || status=$?
cat "$JIAYUAN_FAILED_TESTS"
exit "$status"
