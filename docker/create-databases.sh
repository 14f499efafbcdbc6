#!/bin/sh
# Runs once, when the Postgres volume is new: two users with a database each, and neither enters the other's.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set agenthook="$AGENTHOOK_DATABASE_PASSWORD" --set litellm="$LITELLM_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE agenthook LOGIN PASSWORD :'agenthook';
CREATE DATABASE agenthook OWNER agenthook;
REVOKE ALL ON DATABASE agenthook FROM PUBLIC;
CREATE ROLE litellm LOGIN PASSWORD :'litellm';
CREATE DATABASE litellm OWNER litellm;
REVOKE ALL ON DATABASE litellm FROM PUBLIC;
SQL
