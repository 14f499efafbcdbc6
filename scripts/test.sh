#!/usr/bin/env bash
# THE test command. `./scripts/test.sh --help` says what it does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
./scripts/test.sh [--with-tools] [--no-install] [-- ARGS for cargo test]
    Checks the format, lints, documentation and dependencies, then runs the unit tests, and the integration tests three
    times: on SQLite, on PostgreSQL, and on PostgreSQL with Redis. What they need is started on free ports and ended
    afterwards.
      --with-tools   first installs cargo-deny and cargo-machete (compiles them: six minutes on two cores); without
                     them their checks are skipped
      --no-install   stops where a system package is missing instead of installing it (Debian, Ubuntu)

./scripts/test.sh --services [-- COMMAND ...]
    Starts the services alone and runs COMMAND with the variables below set; without one, prints them and waits for
    Ctrl-C. `./scripts/test.sh --services -- cargo test --test it` is the quick loop while developing.

A variable that is set already is respected, and that service is not started:
    AGENTHOOK_TEST_POSTGRES_URL         a PostgreSQL server on which databases may be created
    AGENTHOOK_TEST_REDIS_URL            a Redis with `databases 10000` that may be emptied
    AGENTHOOK_TEST_LITELLM_URL          a LiteLLM proxy with tests/litellm/config.yaml, and with it
    AGENTHOOK_TEST_LITELLM_MASTER_KEY   its master key, and
    AGENTHOOK_TEST_UPSTREAM_URL         the tests/litellm/fake_upstream.py behind it
    AGENTHOOK_TEST_MLFLOW_URL           an MLflow server of the version in tests/mlflow/requirements.txt, without log-in
    AGENTHOOK_TEST_SCHEMATHESIS         the program of tests/schemathesis/requirements.txt
    AGENTHOOK_TEST_RECEIVERS            a Python with tests/receivers/requirements.txt
    AGENTHOOK_TEST_BROWSER              a Python with tests/browser/requirements.txt; it starts the system's Chromium, or
    AGENTHOOK_TEST_CHROMIUM             this one
(PostgreSQL's and Redis's programs must be there nevertheless: some tests stop and restart servers of their own.)
AGENTHOOK_TEST_DB (sqlite or postgres) tells the integration tests which database to use, and AGENTHOOK_TEST_QUEUE=redis
adds Redis to PostgreSQL. AGENTHOOK_TEST_LANGUAGES=required, which is set here, makes the tests of examples/ fail where a
language is missing; without it they skip that language and say so.
TEXT
}

say() { printf '==> %s\n' "$*"; }
die() {
  printf 'test.sh: %s\n' "$*" >&2
  exit 1
}

with_tools='' install=yes services_only='' args=()
while [ $# -gt 0 ]; do
  case $1 in
    --with-tools) with_tools=yes ;;
    --no-install) install='' ;;
    --services) services_only=yes ;;
    -h | --help) usage; exit ;;
    --) shift; args=("$@"); break ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

# --- what must be there ---------------------------------------------------------------------------------------------

# The directory of PostgreSQL's server programs: most systems keep them off the PATH.
postgres_bin() {
  if command -v initdb >/dev/null; then
    dirname "$(command -v initdb)"
    return
  fi
  local dir found=''
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin \
    /usr/local/opt/postgresql*/bin /Applications/Postgres.app/Contents/Versions/latest/bin; do
    if [ -x "$dir/initdb" ]; then found=$dir; fi
  done
  echo "$found"
}

# Redis, or Valkey, which is what it is called on Fedora.
redis_server() {
  command -v redis-server || command -v valkey-server || true
}

# Debian's `docker-compose`, or Docker's own plugin. No engine is needed: it only has to read docker-compose.yml.
has_compose() {
  command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1
}

# A Python that LiteLLM runs on and that can make virtual environments (Debian ships those two apart).
find_python() {
  local name
  for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
}

# A Node that runs examples/*.mjs: `fetch` came with 18.
has_node() {
  node -e 'process.exit(typeof fetch === "function" ? 0 : 1)' 2>/dev/null
}

# tests/browser/watched.py looks for the same names.
has_chromium() {
  [ -n "${AGENTHOOK_TEST_CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}" ]
}

# Debian's names for what is missing, one per line. The last five are for examples/, whose programs the tests run: Go is
# the large one, 80 MB to fetch and 460 MB on disk.
missing_packages() {
  command -v cc >/dev/null || printf 'gcc\nlibc6-dev\n'
  [ -n "$(find_python)" ] || printf 'python3\npython3-venv\n'
  [ -n "$(postgres_bin)" ] || echo postgresql
  [ -n "$(redis_server)" ] || echo redis-server
  has_compose || echo docker-compose
  has_chromium || echo chromium
  command -v openssl >/dev/null || echo openssl
  command -v curl >/dev/null || echo curl
  has_node || echo nodejs
  command -v go >/dev/null || echo golang-go
  command -v php >/dev/null || echo php-cli
}

explain_missing() {
  cat >&2 <<TEXT
test.sh: missing here, by Debian's names: $1
  Debian, Ubuntu   sudo apt-get install $1
  Fedora           sudo dnf install gcc python3 postgresql-server valkey docker-compose openssl curl nodejs golang php-cli
                   chromium
  macOS            xcode-select --install; brew install python@3.13 postgresql@17 redis docker-compose node go php
                   brew install chromium; export AGENTHOOK_TEST_CHROMIUM=/Applications/Chromium.app/Contents/MacOS/Chromium
Python must be 3.10 to 3.14, and Node 18 or newer (https://nodejs.org where the system's is older). docker-compose is
needed without an engine: it only reads docker-compose.yml. Node, Go, PHP, openssl and curl run the programs in examples/.
Chromium looks at the dashboard; Google's Chrome does too, where a system has it and not Chromium (Ubuntu, outside of snap).
TEXT
  exit 1
}

install_missing() {
  local missing sudo=''
  missing=$(missing_packages | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  if [ -z "$install" ] || ! command -v apt-get >/dev/null || { [ -n "$sudo" ] && ! command -v sudo >/dev/null; }; then
    explain_missing "$missing"
  fi
  say "installing with apt-get: $missing"
  # shellcheck disable=SC2086  # both are lists of words
  { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } ||
    explain_missing "$missing"
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "$missing" ] || explain_missing "${missing% }"
}

command -v cargo >/dev/null || die 'Rust is missing: see https://rustup.rs, then run this again.'
install_missing
python=$(find_python)
export AGENTHOOK_TEST_LANGUAGES=required

# --- the services ---------------------------------------------------------------------------------------------------

tmp=$(mktemp -d "${TMPDIR:-/tmp}/agenthook-test.XXXXXX")
chmod 755 "$tmp" # PostgreSQL runs as another user when this runs as root
logs=$PWD/.agenthook/logs
jobs=() # process groups to end
postgres_job='' redis_job='' redis_port='' litellm_job='' mlflow_job=''
venv_jobs=() # installations that the tests wait for: the job, and the folder in tests/

# Starts a function or command in a process group of its own: Ctrl-C does not reach it, and it can be ended as a whole.
background() {
  local log=$1
  shift
  set -m
  "$@" </dev/null >"$log" 2>&1 &
  set +m
  jobs+=("$!")
}

end_services() {
  local job
  for job in ${jobs[@]+"${jobs[@]}"}; do
    kill -KILL -- "-$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
  done
  if [ -e "$tmp/postgres/data/postmaster.pid" ]; then
    as_postgres "$(postgres_bin)/pg_ctl" -D "$tmp/postgres/data" -m immediate -s stop >/dev/null 2>&1 || true
  fi
}

finish() {
  local status=$?
  trap '' INT TERM HUP
  end_services
  if [ "$status" != 0 ] && [ -z "$services_only" ]; then
    mkdir -p "$logs"
    cp "$tmp"/*.log "$tmp"/postgres/*.log "$logs" 2>/dev/null || true
    say "the services' logs are in $logs"
  fi
  rm -rf "$tmp"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The trap cannot help when this script itself is killed: then the orphaned services would live on.
watch_over() {
  while kill -0 "$$" 2>/dev/null; do sleep 1; done
  end_services
  rm -rf "$tmp"
}

# A free port below the range that systems use for outgoing connections, so that it still is free when it is used.
free_port() {
  "$python" - <<'PY'
import random, socket
while True:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", random.randrange(20000, 32000)))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
PY
}

# PostgreSQL refuses to run as root.
as_postgres() {
  if [ "$(id -u)" != 0 ]; then "$@"; else (cd / && exec runuser -u postgres -- "$@"); fi
}

# A throwaway server. -F: it need not survive a power cut (except for scripts/bench.sh, which wants the price of that).
run_postgres() {
  local bin port=$1 data=$tmp/postgres/data
  bin=$(postgres_bin)
  mkdir -p "$tmp/postgres"
  if [ "$(id -u)" = 0 ]; then chown postgres "$tmp/postgres"; fi
  as_postgres "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --no-locale --no-sync
  as_postgres "$bin/pg_ctl" -D "$data" -l "$tmp/postgres/server.log" -w \
    -o "${AGENTHOOK_TEST_POSTGRES_FLAGS--F} -p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" \
    -o '-c max_connections=400' start
}

# As many databases as there will ever be tests: each takes a number of its own.
run_redis() {
  mkdir "$tmp/redis"
  cd "$tmp/redis"
  exec "$(redis_server)" --port "$1" --bind 127.0.0.1 --databases 10000 --save '' --appendonly no
}

# The name of the virtual environment for a requirements.txt: one per content. `agenthook quickstart` uses LiteLLM's too.
venv_of() {
  mkdir -p .agenthook
  echo "$PWD/.agenthook/$1-$("$python" -c \
    'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12])' "$2")"
}

# Makes one: `.ready` is written last. The lock is the file's (flock), so it ends with the process, however that ends.
prepare_venv() {
  local venv=$1 requirements=$2
  exec 9>"$venv.lock"
  "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
  if [ ! -e "$venv/.ready" ] || ! "$venv/bin/python" -c ''; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # --no-compile: Python compiles what is used at the first start, which takes seconds instead of half a minute.
    "$venv/bin/python" -m pip install --no-compile --disable-pip-version-check --no-input --progress-bar off \
      -r "$requirements"
    touch "$venv/.ready"
  fi
  exec 9>&-
}

# Makes that of a folder in tests/ in the background, and names a program in it by a variable, if that is not set.
start_venv() {
  local requirements=tests/$1/requirements.txt venv
  [ -z "${!3:-}" ] || return 0
  venv=$(venv_of "$1" "$requirements")
  background "$tmp/$1.log" prepare_venv "$venv" "$requirements"
  venv_jobs+=("$! $1")
  export "$3=$venv/bin/$2"
}

# The real proxy. Its environment is clean: LiteLLM would take our DATABASE_URL for its own, and a proxy for localhost.
run_litellm() {
  local config=$PWD/tests/litellm/config.yaml port=$1
  prepare_venv "$venv" litellm/requirements.txt
  cd "$tmp"
  exec env -i HOME="$tmp" PATH="$venv/bin:/usr/bin:/bin" LANG=C.UTF-8 \
    LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False NO_DOCS=True DISABLE_ADMIN_UI=True \
    LITELLM_MASTER_KEY="$AGENTHOOK_TEST_LITELLM_MASTER_KEY" AGENTHOOK_TEST_UPSTREAM_URL="$AGENTHOOK_TEST_UPSTREAM_URL" \
    "$venv/bin/litellm" --config "$config" --host 127.0.0.1 --port "$port"
}

# The real model registry. Its environment is clean: MLflow takes its settings from there too. One worker, because each
# takes 250 MB; and it works in $tmp, where it keeps what it is not told to keep elsewhere.
run_mlflow() {
  local port=$1 requirements=$PWD/tests/mlflow/requirements.txt
  prepare_venv "$mlflow_venv" "$requirements"
  mkdir "$tmp/mlflow"
  cd "$tmp/mlflow"
  exec env -i HOME="$tmp/mlflow" PATH="$mlflow_venv/bin:/usr/bin:/bin" LANG=C.UTF-8 MLFLOW_DISABLE_TELEMETRY=true \
    "$mlflow_venv/bin/mlflow" server --backend-store-uri "sqlite:///$tmp/mlflow/mlflow.db" \
    --artifacts-destination "$tmp/mlflow/artifacts" --host 127.0.0.1 --port "$port" --workers 1
}

start_services() {
  local port
  if [ -z "${AGENTHOOK_TEST_POSTGRES_URL:-}" ]; then
    port=$(free_port)
    background "$tmp/postgres.log" run_postgres "$port"
    postgres_job=$!
    export AGENTHOOK_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
  fi
  if [ -z "${AGENTHOOK_TEST_REDIS_URL:-}" ]; then
    port=$(free_port)
    background "$tmp/redis.log" run_redis "$port"
    redis_job=$! redis_port=$port
    export AGENTHOOK_TEST_REDIS_URL="redis://127.0.0.1:$port/0"
  fi
  if [ -z "${AGENTHOOK_TEST_LITELLM_URL:-}" ]; then
    background "$tmp/upstream.log" "$python" tests/litellm/fake_upstream.py
    until [ -s "$tmp/upstream.log" ] || ! kill -0 "$!" 2>/dev/null; do sleep 0.05; done
    AGENTHOOK_TEST_UPSTREAM_URL=$(head -n 1 "$tmp/upstream.log")
    port=$(free_port)
    export AGENTHOOK_TEST_UPSTREAM_URL AGENTHOOK_TEST_LITELLM_URL="http://127.0.0.1:$port"
    export AGENTHOOK_TEST_LITELLM_MASTER_KEY=sk-agenthook-test-master-key
    venv=$(venv_of litellm litellm/requirements.txt)
    if [ ! -e "$venv/.ready" ]; then say "LiteLLM is being installed meanwhile, once: 120 packages, one to two minutes"; fi
    background "$tmp/litellm.log" run_litellm "$port"
    litellm_job=$!
  elif [ -z "${AGENTHOOK_TEST_LITELLM_MASTER_KEY:-}" ] || [ -z "${AGENTHOOK_TEST_UPSTREAM_URL:-}" ]; then
    die 'AGENTHOOK_TEST_LITELLM_URL needs AGENTHOOK_TEST_LITELLM_MASTER_KEY and AGENTHOOK_TEST_UPSTREAM_URL beside it.'
  fi
  if [ -z "${AGENTHOOK_TEST_MLFLOW_URL:-}" ]; then
    port=$(free_port)
    export AGENTHOOK_TEST_MLFLOW_URL="http://127.0.0.1:$port"
    mlflow_venv=$(venv_of mlflow tests/mlflow/requirements.txt)
    if [ ! -e "$mlflow_venv/.ready" ]; then say "MLflow is being installed meanwhile, once: 90 packages, 650 MB"; fi
    background "$tmp/mlflow.log" run_mlflow "$port"
    mlflow_job=$!
  fi
  start_venv schemathesis schemathesis AGENTHOOK_TEST_SCHEMATHESIS
  start_venv receivers python AGENTHOOK_TEST_RECEIVERS
  start_venv browser python AGENTHOOK_TEST_BROWSER
  set -m
  watch_over </dev/null >/dev/null 2>&1 &
  set +m
  jobs+=("$!")
}

# Fails as soon as LiteLLM or MLflow has ended, be it in its installation.
services_live() {
  still_lives LiteLLM "$litellm_job" "$tmp/litellm.log"
  still_lives MLflow "$mlflow_job" "$tmp/mlflow.log"
}

still_lives() {
  if [ -z "$2" ] || kill -0 "$2" 2>/dev/null; then return; fi
  tail -n 30 "$3" >&2
  die "$1 ended: its last words are above."
}

# Waits until an address answers.
await_answer() {
  until "$python" - "$1" <<'PY'; do services_live; sleep 0.3; done
import sys, urllib.request
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=2)
except OSError:
    sys.exit(1)
PY
}

await_services() {
  if [ -n "$postgres_job" ] && ! wait "$postgres_job"; then
    cat "$tmp/postgres.log" >&2
    cat "$tmp/postgres/server.log" >&2 || true
    die 'PostgreSQL did not start: its log is above.'
  fi
  postgres_job=''
  if [ -n "$redis_job" ]; then
    until (exec 3<>"/dev/tcp/127.0.0.1/$redis_port") 2>/dev/null; do
      if ! kill -0 "$redis_job" 2>/dev/null; then
        cat "$tmp/redis.log" >&2
        die 'Redis did not start: its log is above.'
      fi
      sleep 0.1
    done
  fi
  local installation
  for installation in ${venv_jobs[@]+"${venv_jobs[@]}"}; do
    if ! wait "${installation%% *}"; then
      tail -n 30 "$tmp/${installation#* }.log" >&2
      die "tests/${installation#* }/requirements.txt could not be installed: the last words are above."
    fi
  done
  venv_jobs=()
  if [ -n "$litellm_job" ]; then await_answer "$AGENTHOOK_TEST_LITELLM_URL/health/liveliness"; fi
  if [ -n "$mlflow_job" ]; then await_answer "$AGENTHOOK_TEST_MLFLOW_URL/health"; fi
}

# --- the phases -----------------------------------------------------------------------------------------------------

phase() {
  local name=$1 start=$SECONDS
  shift
  services_live
  say "$name"
  "$@" || die "failed: $name ($((SECONDS - start)) s)"
  printf '    %s: %d s\n' "$name" "$((SECONDS - start))"
}

# phase, if cargo has that tool
optional() {
  if command -v "cargo-$2" >/dev/null; then
    phase "$1" cargo "${@:2}"
  else
    say "$1: skipped, cargo-$2 is not installed (--with-tools does that)"
  fi
}

start_services

if [ -n "$services_only" ]; then
  await_services
  if [ ${#args[@]} != 0 ]; then
    "${args[@]}"
    exit
  fi
  env | grep '^AGENTHOOK_TEST_' | sort | sed 's/^/export /'
  say 'ready; Ctrl-C ends them'
  while sleep 1; do services_live; done
fi

if [ -n "$with_tools" ]; then phase 'cargo-deny, cargo-machete' cargo install --locked cargo-deny cargo-machete; fi
phase 'format' cargo fmt --check
phase 'lints' cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' phase 'documentation' cargo doc --no-deps --document-private-items
optional 'licences, bans, sources' deny check bans licenses sources
optional 'unused dependencies' machete
phase 'unit tests' cargo test --lib --bins ${args[@]+"${args[@]}"}
phase 'services' await_services
AGENTHOOK_TEST_DB=sqlite phase 'integration tests on SQLite' cargo test --test it ${args[@]+"${args[@]}"}
AGENTHOOK_TEST_DB=postgres phase 'integration tests on PostgreSQL' cargo test --test it ${args[@]+"${args[@]}"}
AGENTHOOK_TEST_DB=postgres AGENTHOOK_TEST_QUEUE=redis phase 'integration tests on PostgreSQL with Redis' \
  cargo test --test it ${args[@]+"${args[@]}"}
say "all green in $SECONDS s"
