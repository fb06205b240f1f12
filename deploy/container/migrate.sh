#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# migrate.sh: makes and migrates each service's database (services/NAME/schema), then ends.
set -eu
share=/usr/share/mykey
export PGHOST=/run/mykey/pg
for schema in "$share"/services/*/schema; do
	service=$(basename "$(dirname "$schema")")
	PGUSER=postgres "$share/deploy/db/create.sh" "$service"
	PGUSER="${service}_owner" "$share/deploy/db/migrate.sh" "$service" "$schema"
done
