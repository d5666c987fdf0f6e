#!/usr/bin/env bash
# Builds every libFuzzer target and runs each for SECONDS over its committed corpus. Usage: tools/fuzz.sh SECONDS [TARGET...]
#
# New inputs that reach new code are kept in build/fuzz/corpus/TARGET, inputs that fail in build/fuzz/artifacts.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

seconds=${1:?usage: tools/fuzz.sh SECONDS [TARGET...]}
shift
jobs=${JOBS:-$(nproc)}

if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer,address -x c++ - -o /dev/null 2>/dev/null; then
  echo "fuzz: skipped, no clang++ with libFuzzer here (Debian: clang, libclang-rt-dev)"
  exit 0
fi

if [ ! -f build/fuzz/build.ninja ]; then
  cmake --preset fuzz --no-warn-unused-cli || exit 1
fi
cmake --build --preset fuzz --parallel "$jobs" || exit 1

if [ $# -eq 0 ]; then
  for program in build/fuzz/fuzz/*_fuzz; do
    if [ -x "$program" ]; then set -- "$@" "$(basename "$program")"; fi
  done
fi
if [ $# -eq 0 ]; then
  echo "fuzz: no targets in build/fuzz/fuzz" >&2
  exit 1
fi
mkdir -p build/fuzz/artifacts

run() {  # one target; its output goes to a file that is shown when it fails
  local target=$1 corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log
  mkdir -p "$corpus"
  if "build/fuzz/fuzz/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/artifacts/$target-" "$corpus" "fuzz/corpus/${target%_fuzz}" >"$log" 2>&1 </dev/null; then
    echo "fuzz: $target $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs ok"
  else
    cat "$log"
    echo "fuzz: $target FAILED"
    return 1
  fi
}
export -f run
export seconds
printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'run {}' || exit 1
