#!/usr/bin/env bash
# Fuzzing: each target reads what a fuzzer makes of the kept corpus, for a while. It ends by itself, and fails if a
# target found something.
#
#   runtime/fuzz/run.sh [--keep] [SECONDS]
#
# The default is 60 seconds for each target. Inputs that reach something new go to target/fuzz/corpus, where the next
# run finds them; with --keep, as few of them as reach the same code are added to the kept corpus, which `cargo test`
# checks. What breaks a target is left in runtime/fuzz/artifacts.
#
# Needs a C++ compiler; installs cargo-fuzz. The first build takes 5 minutes, most of it the WebAssembly engine.
set -euo pipefail
cd "$(dirname "$0")"

keep=
if [ "${1:-}" = --keep ]; then
  keep=yes
  shift
fi
seconds="${1:-60}"
if ! [[ "$seconds" =~ ^[1-9][0-9]*$ ]]; then
  echo "error: $seconds: write a number of seconds, at least 1: run.sh [--keep] [SECONDS]" >&2
  exit 2
fi
command -v c++ >/dev/null || { echo "error: there is no c++, which builds the fuzzer: install g++" >&2; exit 1; }
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

CARGO_TARGET_DIR="$(cd ../.. && pwd)/target/fuzz"
export CARGO_TARGET_DIR
# Sanitizers need a nightly compiler; what is looked for here are panics, and inputs that take too long.
cargo fuzz build --sanitizer none

fuzz() { cargo fuzz run --sanitizer none "$@"; }
trap 'exit 130' INT # which the fuzzer takes as a good end of one target
targets=$(cargo fuzz list)
broken=()
for target in $targets; do
  printf '\n== %s, for %s s\n' "$target" "$seconds"
  found="$CARGO_TARGET_DIR/corpus/$target" log="$CARGO_TARGET_DIR/$target.log"
  mkdir -p "$found"
  # An input that takes ten seconds is one that breaks the target.
  if fuzz "$target" "$found" "corpus/$target" -- \
    -dict="dictionaries/$target.dict" -max_total_time="$seconds" -timeout=10 &>"$log"; then
    grep -w DONE "$log"
    # What counts is which code is reached, not how often: else hundreds of inputs were kept.
    [ -z "$keep" ] || fuzz "$target" "corpus/$target" "$found" -- -set_cover_merge=1 -use_counters=0
  else
    tail -n 100 "$log"
    broken+=("$target")
  fi
done
if [ "${#broken[@]}" -gt 0 ]; then
  printf '\nerror: broken: %s; each input is in runtime/fuzz/artifacts\n' "${broken[*]}" >&2
  exit 1
fi
