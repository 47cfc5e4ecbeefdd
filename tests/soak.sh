#!/usr/bin/env bash
# A soak: datagrams and connections, one in ten hostile, against one server each. Prints what each server held
# before and after, and fails if it is not the same again. It ends by itself: in release, a million datagrams and
# 100,000 connections take minutes.
#
#   tests/soak.sh [DATAGRAMS [CONNECTIONS [PROFILE]]]
#
# The defaults are 1000000, 100000 and release; `tests/soak.sh 20000 2000 dev` is for trying it.
set -euo pipefail
cd "$(dirname "$0")/.."
export SOAK_DATAGRAMS="${1:-1000000}" SOAK_CONNECTIONS="${2:-100000}"
profile="${3:-release}"

# All of it first: cargo does not build the command for one test alone.
cargo test --workspace --profile "$profile" --locked --no-run
cargo test --workspace --profile "$profile" --locked --test integration -- \
  --ignored --exact soak::a_soak_leaves_nothing_behind --nocapture
