#!/bin/sh
# Makes the development environment in .venv: hash-pinned packages, the workspace's members editable.
# Quick when nothing changed. PYTHON chooses the interpreter, JIAYUAN_WHEELS a folder of wheels to install
# from instead of an index (closed networks).
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed: apt-get install python3 python3-venv"
    exit 1
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "Python's venv module is missing: install it with \`apt-get install python3-venv\` as root."
            exit 1
        fi
        say "installing python3-venv"
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y -qq --no-install-recommends python3-venv >/dev/null 2>&1 || {
            apt-get update -qq
            apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
        }
    fi
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

members() {
    for folder in contracts chassis services/* deploy/local; do
        if [ -f "$folder/pyproject.toml" ]; then echo "$folder"; fi
    done
}

digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

# Does the work that "$2" stands for unless it was done for the same digest "$3" before.
unless_done() {
    stamp=.venv/.jiayuan-$2
    if [ "$(cat "$stamp" 2>/dev/null || true)" = "$3" ]; then return; fi
    say "$1"
    "$2"
    echo "$3" >"$stamp"
}

# -qq: warnings about an index that lacks a package are no concern of the reader; errors are still shown.
pip() {
    if [ -n "${JIAYUAN_WHEELS:-}" ]; then
        set -- "$@" --no-index --find-links "$JIAYUAN_WHEELS"
    fi
    .venv/bin/python -m pip --disable-pip-version-check --no-input -qq "$@" --root-user-action ignore
}

install_packages() { pip install --require-hashes -r requirements/dev.txt; }

install_members() {
    set --
    for folder in $(members); do set -- "$@" --editable "./$folder"; done
    pip install --no-deps --no-build-isolation "$@"
    # The build copies each service's migrations there; here the checkout's own are the ones that count.
    rm -rf .venv/lib/python3*/site-packages/jiayuan
}

.venv/bin/python -c '' 2>/dev/null || make_venv
unless_done "installing the pinned packages" install_packages "$(digest requirements/dev.txt)"
pyprojects=$(for folder in $(members); do echo "$folder/pyproject.toml"; done)
# shellcheck disable=SC2086
unless_done "installing the workspace's members" install_members "$(digest $pyprojects requirements/dev.txt)"
