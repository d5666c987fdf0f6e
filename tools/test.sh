#!/usr/bin/env bash
# Every test: the release build, the same tests under AddressSanitizer and UBSan, and a short run of the fuzz targets.
# Ends with "N passed, N failed" over all of them; fails when anything did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-10}
passed=0
failed=0
problems=()

summary() {
  echo
  for problem in "${problems[@]}"; do echo "FAILED: $problem"; done
  echo "$passed passed, $failed failed"
}

stop() {  # a step without which the rest makes no sense
  failed=$((failed + 1))
  problems+=("$1")
  summary
  exit 1
}

step() { printf '\n== %s\n' "$*"; }

# Runs ctest in $1 and adds the counts of its own summary line, "N% tests passed, F tests failed out of T".
run_ctest() {
  local log=$1/ctest-output.txt line rc
  ctest --test-dir "$1" --output-on-failure --parallel "$jobs" --timeout 900 --no-tests=error 2>&1 | tee "$log"
  rc=${PIPESTATUS[0]}
  line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" | tail -n 1)
  if [[ $line =~ passed,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
    failed=$((failed + BASH_REMATCH[1]))
    passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
    if [ "${BASH_REMATCH[1]}" -gt 0 ]; then problems+=("tests in $1"); fi
  fi
  if [ "$rc" -ne 0 ] && { [ -z "$line" ] || [ "${BASH_REMATCH[1]}" -eq 0 ]; }; then
    failed=$((failed + 1))
    problems+=("ctest in $1 ended with $rc")
  fi
}

tools/install-deps.sh test || stop "packages are missing"

step "Release build"
read -ra flags <<<"${CMAKE_FLAGS:-}"
if [ ! -f build/build.ninja ] || [ ${#flags[@]} -gt 0 ]; then
  cmake --preset release "${flags[@]}" || stop "configuring the release build"
fi
# The llama.cpp programs are what tests compare with; the sanitizer run takes them from here too.
cmake --build --preset release --parallel "$jobs" \
  --target all llama-quantize llama-completion llama-imatrix llama-perplexity || stop "the release build"
step "Tests, release build"
run_ctest build

step "Sanitizer build"
if [ ! -f build/asan/build.ninja ] || [ ${#flags[@]} -gt 0 ]; then
  # The same llama.cpp as in the release tree.
  source_dir=$(sed -n 's/^FAKEQUANT_LLAMA_SOURCE:PATH=//p' build/CMakeCache.txt)
  cmake --preset asan -DFAKEQUANT_LLAMA_SOURCE="$source_dir" "${flags[@]}" || stop "configuring the sanitizer build"
fi
cmake --build --preset asan --parallel "$jobs" || stop "the sanitizer build"
step "Tests, AddressSanitizer and UBSan"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
run_ctest build/asan

step "Fuzz targets, $fuzz_seconds s each"
fuzz_log=build/fuzz-output.txt
tools/fuzz.sh "$fuzz_seconds" 2>&1 | tee "$fuzz_log"
fuzz_rc=${PIPESTATUS[0]}
fuzz_passed=$(grep -c '^fuzz: .* ok$' "$fuzz_log")
fuzz_failed=$(grep -c '^fuzz: .* FAILED' "$fuzz_log")
passed=$((passed + fuzz_passed))
failed=$((failed + fuzz_failed))
if [ "$fuzz_rc" -ne 0 ]; then
  problems+=("fuzz targets (see build/fuzz/artifacts)")
  if [ "$fuzz_failed" -eq 0 ]; then failed=$((failed + 1)); fi
fi

summary
[ "$failed" -eq 0 ]
