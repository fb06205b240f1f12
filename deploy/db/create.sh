#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# create.sh SERVICE: roles SERVICE_owner (migrations) and SERVICE (the service: only what it is granted), and database
# SERVICE. Run as a superuser of the cluster; host, port and user come from PGHOST, PGPORT, PGUSER. Safe to repeat.
set -eu
service=${1:?usage: create.sh SERVICE}
case $service in *[!a-z_]*) echo "create.sh: '$service' is not a service name (a-z and _)" >&2; exit 2 ;; esac

psql -X -q -v ON_ERROR_STOP=1 -v service="$service" -v owner="${service}_owner" -d postgres <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', role) FROM unnest(ARRAY[:'owner', :'service']) role
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"service";
\connect :"service"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
