#!/usr/bin/env bash
# Installs the npm packages of a folder with package.json and package-lock.json into another folder.
# Usage: tools/fetch-page-parts.sh SOURCE TARGET
#
# The lock file holds the SHA-512 of every package and no address: npm asks the registry that it is configured for and refuses
# anything else. No script of a package runs. What npm has in its cache is not fetched again.
set -euo pipefail

fail() { echo "fetch-page-parts: $*" >&2; exit 1; }

[ $# -eq 2 ] || fail "usage: tools/fetch-page-parts.sh SOURCE TARGET"
source=$1 target=$2
command -v npm >/dev/null || fail "npm is not installed; it brings what the report's page draws its charts with (Debian: npm)"

mkdir -p "$target"
cp "$source/package.json" "$source/package-lock.json" "$target/"
log=$target/npm-output.txt
if ! (cd "$target" && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund) >"$log" 2>&1; then
  cat "$log" >&2
  fail "npm could not install what $source/package-lock.json names (its messages are above); it needs the network once"
fi
touch "$target/node_modules/.complete"
