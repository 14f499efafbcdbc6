# Shortcuts for https://just.systems; each line works without it too.

set positional-arguments

# what there is
default:
    @just --list --unsorted

# everything CI checks; `just test -- NAME` runs the tests with that name
test *args:
    ./scripts/test.sh "$@"

# a throwaway PostgreSQL and the test LiteLLM: `just services -- cargo test --test it`, or alone until Ctrl-C
services *args:
    ./scripts/test.sh --services "$@"

# formats the code
fmt:
    cargo fmt

# what docs/performance.md reports: `just bench --seconds 5`; takes minutes, and wants a quiet machine
bench *args:
    ./scripts/bench.sh "$@"

# the compiler's and clippy's complaints
lint:
    cargo clippy --all-targets -- -D warnings

# from nothing to the trace of one signed webhook
quickstart *args:
    cargo run -- quickstart "$@"
