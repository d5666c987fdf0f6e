#!/usr/bin/env bash
# Makes sure that the packages a job needs are installed. Usage: tools/install-deps.sh [build|test|bench|lint]...
#
# Nothing missing: silent, and done at once. On Debian 12 and its relatives missing packages are installed, after a
# question when that takes sudo. On other systems, and without a terminal to ask on, it says what to install and fails.
set -euo pipefail

# Each line: the sets that need it | how to find it elsewhere than on Debian | Debian package
needs='
build test bench lint | command c++         | build-essential
build test bench lint | command cmake       | cmake
build test bench lint | command ninja       | ninja-build
build test bench lint | command git         | git
build test bench lint | command npm         | npm
build test bench lint | command node        | nodejs
build test bench lint | package             | ca-certificates
build test bench lint | header CLI/CLI.hpp          | libcli11-dev
build test bench lint | header fmt/format.h         | libfmt-dev
build test bench lint | header nlohmann/json.hpp    | nlohmann-json3-dev
build test bench lint | header toml++/toml.h        | libtomlplusplus-dev
build test bench lint | header tbb/parallel_for.h   | libtbb-dev
build test bench lint | header xxhash.h           | libxxhash-dev
build test bench lint | header gtest/gtest.h        | libgtest-dev
build test bench lint | header benchmark/benchmark.h | libbenchmark-dev
test                  | command clang++     | clang
test                  | file /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a | libclang-rt-dev
test bench lint       | command python3     | python3
test                  | command chromium    | chromium
test                  | command rsvg-convert | librsvg2-bin
test bench            | python numpy        | python3-numpy
test bench            | python yaml         | python3-yaml
lint                  | command clang-format | clang-format
lint                  | command clang-tidy  | clang-tidy
'

fail() { echo "install-deps: $*" >&2; exit 1; }

for set_name in "${@:-build}"; do
  case $set_name in build | test | bench | lint) ;; *) fail "unknown set '$set_name': wanted build, test, bench or lint" ;; esac
done

# The lines of `needs` that the chosen sets ask for, as "kind thing package".
wanted() {
  local sets probe package
  while IFS='|' read -r sets probe package; do
    for set_name in "$@"; do
      if [[ " $sets " == *" $set_name "* ]]; then echo "$probe $package"; break; fi
    done
  done <<<"$needs"
}

have_command() { command -v "$1" >/dev/null 2>&1; }
have_header() { echo "#include <$1>" | c++ -std=c++20 -x c++ -M - >/dev/null 2>&1; }
have_python() { (/usr/bin/python3 -c "import $1" || python3 -c "import $1") >/dev/null 2>&1; }

debian=no
if have_command dpkg-query && have_command apt-get; then debian=yes; fi

missing=()
if [ "$debian" = yes ]; then
  packages=()
  while read -r kind rest; do
    package=${rest##* }
    # A program counts as there wherever it comes from; a library has to be the package.
    case $kind in
      command) if have_command "${rest%% *}"; then continue; fi ;;
      file) if compgen -G "${rest%% *}" >/dev/null; then continue; fi ;;
    esac
    packages+=("$package")
  done < <(wanted "${@:-build}")
  if [ ${#packages[@]} -gt 0 ]; then
    installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${packages[@]}" 2>/dev/null || true) "
    for package in "${packages[@]}"; do
      [[ $installed == *" installed=$package "* ]] || missing+=("$package")
    done
  fi
else
  while read -r kind rest; do
    thing=${rest%% *} package=${rest##* }
    case $kind in
      command) have_command "$thing" || missing+=("the program $thing (Debian: $package)") ;;
      header) have_header "$thing" || missing+=("the C++ header $thing (Debian: $package)") ;;
      python) have_python "$thing" || missing+=("the Python module $thing (Debian: $package)") ;;
    esac
  done < <(wanted "${@:-build}" | grep -v clang++)  # without clang the fuzz run is skipped, and says so
fi

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if [ "$debian" = no ]; then
  printf 'install-deps: please install, then run again:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ]; then
  run=()
elif [ -t 0 ] && [ -t 2 ] && have_command sudo; then
  read -r -p "Missing: ${missing[*]}. Install with sudo apt-get? [y/N] " answer
  [[ $answer == [yY]* ]] || fail "not installed; to do it by hand: sudo ${install[*]}"
  run=(sudo)
else
  fail "packages are missing; run as root: apt-get update && ${install[*]}"
fi
echo "install-deps: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${run[@]}" apt-get update && "${run[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  fail "apt-get failed (its messages are above); by hand: ${install[*]}"
fi
