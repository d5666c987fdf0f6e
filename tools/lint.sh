#!/usr/bin/env bash
# Formatting, clang-tidy, include rules and shell scripts. Usage: tools/lint.sh [all|changed]
#
# `changed` looks only at C++ files that differ from the last commit. Needs build/compile_commands.json.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

jobs=${JOBS:-$(nproc)}
failed=0

case ${1:-all} in
  all) listed=$(git ls-files --cached --others --exclude-standard) ;;
  changed) listed=$(git diff --name-only HEAD; git ls-files --others --exclude-standard) ;;
  *) echo "lint: unknown scope '$1': wanted all or changed" >&2; exit 2 ;;
esac
mapfile -t files < <(grep -E '^(src|tests|bench|fuzz)/.*\.(cpp|h)$' <<<"$listed" | while read -r f; do [ -f "$f" ] && echo "$f"; done)

finish() { if [ "$2" -eq 0 ]; then echo "lint: $1 ok"; else echo "lint: $1 FAILED"; failed=1; fi; }

if [ ${#files[@]} -gt 0 ]; then
  clang-format --dry-run -Werror "${files[@]}"
  finish "clang-format, ${#files[@]} files" $?

  # Only files that the release build compiles: clang-tidy needs their flags. One copy of every vectorized function is
  # enough for it, and clang 14 knows fewer processor levels than gcc (see src/base/simd.h).
  mapfile -t compiled < <(printf '%s\n' "${files[@]}" | grep '\.cpp$' | while read -r f; do
    grep -q "\"file\": \"$PWD/$f\"" build/compile_commands.json && echo "$f"; done)
  if [ ${#compiled[@]} -gt 0 ]; then
    # Warnings in other people's headers are counted on standard error; only findings in ours are shown.
    printf '%s\0' "${compiled[@]}" | xargs -0 -P "$jobs" -n 1 \
      clang-tidy --quiet -p build --extra-arg=-DFAKEQUANT_SANITIZED=1 --extra-arg=-Wno-unknown-warning-option 2>/dev/null
    finish "clang-tidy, ${#compiled[@]} files" $?
  fi
fi

tools/check-includes.py
finish "include rules" $?

if command -v shellcheck >/dev/null; then
  shellcheck tools/*.sh scripts/*.sh .ci/run
  finish "shell scripts" $?
else
  echo "lint: shell scripts skipped, no shellcheck here"
fi
exit "$failed"
