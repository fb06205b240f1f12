#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# postgres.sh: PostgreSQL on a unix socket alone, made at the first start. Who may be which role: pg_ident.conf beside this.
set -eu
here=$(dirname "$0")
data=/var/lib/mykey/pg/data
if [ ! -e "$data" ]; then
	rm -rf "$data.new"
	initdb -D "$data.new" -k -A peer -U postgres --locale=C.UTF-8 -E UTF8
	mv "$data.new" "$data"
fi
exec chrt -b 0 postgres -D "$data" -c config_file="$here/postgresql.conf"
