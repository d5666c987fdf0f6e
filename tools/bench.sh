#!/usr/bin/env bash
# Runs every benchmark: the Google Benchmark programs build/bench/bench_*, then bench/compare-with-peers.py, which times
# the commands against cp, gguf-py and the programs of llama.cpp in the same run. Arguments go to the latter, and then it alone runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
  for program in build/bench/bench_*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
      printf '\n== %s\n' "$(basename "$program")"
      "$program"
    fi
  done
  printf '\n== fakequant and its peers\n'
fi
# Debian's own Python first: its numpy package serves that one alone.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
exec "$python" bench/compare-with-peers.py "$@"
