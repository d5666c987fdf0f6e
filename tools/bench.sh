#!/usr/bin/env bash
# Runs every benchmark: the Google Benchmark programs build/bench/*_bench, then bench/peers.py, which times the
# commands against cp, llama-quantize and gguf-py. Arguments go to bench/peers.py.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in build/bench/*_bench; do
  if [ -x "$program" ]; then
    printf '\n== %s\n' "$(basename "$program")"
    "$program"
  fi
done
if [ -f bench/peers.py ]; then
  printf '\n== fakequant and its peers\n'
  exec /usr/bin/env python3 bench/peers.py "$@"
fi
