#!/usr/bin/env bash
# The main job on the demo model, step by step; `make demo` builds what this needs. Everything it writes goes to demo/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

fakequant=build/fakequant
completion=build/bin/llama-completion
prompt=${DEMO_PROMPT:-"tree: a tall"}
work=demo
text=data/demo-wordnet-heldout.txt

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(tput bold 2>/dev/null) plain=$(tput sgr0 2>/dev/null); else bold='' plain=''; fi

fail() { echo "demo: $*" >&2; exit 1; }
say() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; shift; if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi; echo; }
run() { echo "\$ $*"; "$@" || fail "this step failed (exit code $?): $*"; }

for program in "$fakequant" "$completion"; do
  [ -x "$program" ] || fail "$program is not there; run: make demo"
done
mkdir -p "$work" || fail "cannot make the folder $work/"

# One generated line: no sampling, so the same weights give the same words every time.
generate() {
  local log=$work/llama-completion.log text
  text=$("$completion" -m "$1" -p "$prompt" -n 24 --temp 0 --seed 1 -no-cnv --no-warmup -t 2 2>"$log" </dev/null) ||
    { cat "$log" >&2; fail "llama.cpp could not generate from $1 (its messages are above)"; }
  [ -n "${text//[[:space:]]/}" ] || fail "llama.cpp generated nothing from $1"
  sed -n '/[^[:space:]]/{s/^ *//;p;q}' <<<"$text"
}

say "1. What precision do the tensors really have?" \
  "'demo' names the model that comes with fakequant: a small Llama, F16 matrices and F32 norms."
run "$fakequant" inspect demo

say "2. One norm tensor, truncated to BF16" \
  "The copy stores the same type as before; only its values are what BF16 can hold."
run "$fakequant" quantize demo "$work/ffn_norm_bf16.gguf" --tensors ffn_norm --layers 0 --format bf16:rtz --force

say "3. All matrices, rounded to 4-bit integers" \
  "One scale for each 32 weights of a row."
run "$fakequant" quantize demo "$work/matrices_int4.gguf" --tensors matrices --format int4:group=32 --force

say "4. What changed, measured from the two files" \
  "First the copy with one BF16 norm; then, of the int4 copy, the five tensors that changed most."
run "$fakequant" compare demo "$work/ffn_norm_bf16.gguf"
echo
run "$fakequant" compare demo "$work/matrices_int4.gguf" --sort max_abs --top 5

say "5. Stock llama.cpp loads the original and both copies" \
  "Each completes \"$prompt\"; without sampling, so different words come from different weights."
# Each on a line of its own first: a failure must stop the demo, which it would not inside the table.
original=$(generate data/demo-4.6m-f16.gguf) || exit 1
norm=$(generate "$work/ffn_norm_bf16.gguf") || exit 1
matrices=$(generate "$work/matrices_int4.gguf") || exit 1
printf '  %-30s | %s\n' "model" "text" "------------------------------" "----" \
  "original" "$original" "ffn_norm of layer 0: bf16:rtz" "$norm" "all matrices: int4:group=32" "$matrices"

say "6. What do the copies cost?" \
  "Perplexity and KL divergence from the original on text that the model has not seen. The control row rounds all weights" \
  "to bf16: differences of its size are noise."
run "$fakequant" evaluate "$work/ffn_norm_bf16.gguf" "$work/matrices_int4.gguf" --baseline demo -f "$text" --chunks 40

say "7. The same without writing a copy, in four formats" \
  "The model is loaded once; its weights are rounded in memory and put back."
run "$fakequant" evaluate demo -f "$text" --chunks 40 --tensors matrices --format e4m3,nvfp4,int4:group=32,q4_k

say "8. An experiment: the norms of one layer, then of more" \
  "experiments/ffn_norm_bf16.toml says what is changed, measured and wanted. What is found is kept in a folder; the report is made from it."
rm -rf "$work/ffn_norm_bf16"
run "$fakequant" run experiments/ffn_norm_bf16.toml --out "$work/ffn_norm_bf16"
echo
run "$fakequant" report "$work/ffn_norm_bf16" --format html -o "$work/report.html"

say "Done." "The copies are in $work/, the experiment's page is $work/report.html: open it in a browser. Next: $fakequant --help"
