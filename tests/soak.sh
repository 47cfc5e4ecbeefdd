#!/usr/bin/env bash
# A soak: datagrams and connections, one in ten hostile, against one server each; and requests with a process each,
# half of them datagrams. Prints what each server held before and after, and fails if it is not the same again. It ends
# by itself: in release, a million datagrams and 100,000 connections take minutes, and 20,000 processes half a one.
#
#   tests/soak.sh [DATAGRAMS [CONNECTIONS [PROFILE [FORKED]]]]
#
# The defaults are 1000000, 100000, release and 20000; `tests/soak.sh 20000 2000 dev 2000` is for trying it.
set -euo pipefail
cd "$(dirname "$0")/.."
export SOAK_DATAGRAMS="${1:-1000000}" SOAK_CONNECTIONS="${2:-100000}" SOAK_FORKED="${4:-20000}"
profile="${3:-release}"

# All of it first: cargo does not build the command for one test alone.
cargo test --workspace --profile "$profile" --locked --no-run
cargo test --workspace --profile "$profile" --locked --test integration -- \
  --ignored --exact soak::a_soak_leaves_nothing_behind forking::soak::a_soak_leaves_nothing_behind --nocapture \
  --test-threads 1
