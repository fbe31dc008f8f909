#!/bin/sh
# AsyncAPI's own parser, which the tests ask, runs on node: installs it where it is missing, as root.
set -eu
if command -v node >/dev/null && command -v npm >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: node and npm are missing: install them with \`apt-get install nodejs npm\` as root." >&2
    exit 1
fi
echo "setup: installing nodejs and npm" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
}
