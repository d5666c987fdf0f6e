#!/usr/bin/env bash
# Fetches the pinned llama.cpp source into a cache folder and prints that folder's path.
#
# The npm package node-llama-cpp carries a git bundle of llama.cpp. The package is checked by its SHA-512
# before it is unpacked, the checkout by its commit and tree. A second call finds the cache and prints at once.
set -euo pipefail

package=node-llama-cpp@3.22.1
package_sha512=6e5b488a9b9699cd76dc7eed30880318a4ac4ab866865418795502e3c5d38d55bb5c624988927209d95333343f2e25a83e4183a5c2f816f883a60c3ba9f4e20f
commit=de3ff815ea7d559ee917f063901b8986f038abc6
tree=fd570ef54b10ec5fecb739e7e04c8ce44a6f415a

cache=${FAKEQUANT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fakequant}
target=$cache/llama.cpp-${commit:0:12}

fail() { echo "fetch-llama: $*" >&2; exit 1; }

is_pinned_tree() {
  [ "$(git -C "$1" rev-parse HEAD 2>/dev/null)" = "$commit" ] &&
    [ "$(git -C "$1" rev-parse 'HEAD^{tree}' 2>/dev/null)" = "$tree" ] &&
    [ -z "$(git -C "$1" status --porcelain 2>/dev/null)" ]
}

if [ -d "$target" ]; then
  is_pinned_tree "$target" || fail "$target is not llama.cpp $commit as committed: remove it and run again"
  echo "$target"
  exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetch-llama: fetching $package" >&2
(cd "$work" && npm pack --silent "$package" >/dev/null) || fail "npm could not fetch $package"
archive=$(echo "$work"/*.tgz)
found=$(sha512sum "$archive" | cut -d' ' -f1)
[ "$found" = "$package_sha512" ] || fail "$package has SHA-512 $found, wanted $package_sha512"
tar -xzf "$archive" -C "$work" package/llama/gitRelease.bundle
git clone --quiet --config advice.detachedHead=false "$work/package/llama/gitRelease.bundle" "$work/source"
is_pinned_tree "$work/source" || fail "the bundle does not hold llama.cpp commit $commit"
mv -T "$work/source" "$target" 2>/dev/null || is_pinned_tree "$target" || fail "cannot move the source to $target"
echo "$target"
