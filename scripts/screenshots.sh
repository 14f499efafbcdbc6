#!/usr/bin/env bash
# Makes the pictures in README.md again, docs/overview.png and docs/execution.png: builds the server, lets it work for a
# moment, and has Chromium look. tests/browser/screenshots.py does it; scripts/test.sh brings what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# It plays the LLM itself and keeps everything in SQLite: these services need not be started.
export AGENTHOOK_TEST_POSTGRES_URL=none AGENTHOOK_TEST_REDIS_URL=none AGENTHOOK_TEST_MLFLOW_URL=none
export AGENTHOOK_TEST_LITELLM_URL=none AGENTHOOK_TEST_LITELLM_MASTER_KEY=none AGENTHOOK_TEST_UPSTREAM_URL=none
# shellcheck disable=SC2016  # the variable is set inside
exec ./scripts/test.sh --services -- sh -c 'cargo build && exec "$AGENTHOOK_TEST_BROWSER" -B tests/browser/screenshots.py'
