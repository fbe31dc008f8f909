#!/bin/sh
# Programs that the tests run: installs those that are missing, as root, and leaves what is there as it is.
set -eu
missing=""

# need "COMMANDS" "PACKAGES": all packages are wanted unless all commands are there.
need() {
    for command in $1; do
        command -v "$command" >/dev/null || {
            missing="$missing${missing:+ }$2"
            return 0
        }
    done
}

need "node npm" "nodejs npm"                                                  # AsyncAPI's own parser
need "chromium chromedriver" "chromium chromium-driver fonts-droid-fallback"  # the pages in a browser, in Chinese
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: programs are missing: install them with \`apt-get install --no-install-recommends $missing\` as root." >&2
    exit 1
fi
echo "setup: installing $missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
