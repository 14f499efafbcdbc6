#!/usr/bin/env bash
# THE bench command: what docs/performance.md reports, as Markdown on standard output. `./scripts/bench.sh --help` says
# what can be chosen. PostgreSQL is a throwaway server whose commits reach the disk, unless AGENTHOOK_TEST_POSTGRES_URL
# names another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export AGENTHOOK_TEST_POSTGRES_FLAGS=''
# The bench plays the LLM itself and registers no models: these keep LiteLLM and MLflow from being started.
export AGENTHOOK_TEST_LITELLM_URL=none AGENTHOOK_TEST_LITELLM_MASTER_KEY=none AGENTHOOK_TEST_UPSTREAM_URL=none
export AGENTHOOK_TEST_MLFLOW_URL=none
exec ./scripts/test.sh --services -- cargo bench --bench bench -- "$@"
