#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# migrate.sh [--plan] DATABASE DIRECTORY: applies DIRECTORY/NNN-name.sql in order, each once and in one transaction.
# Run as the database's owner; host, port and user come from PGHOST, PGPORT, PGUSER. Several at once wait for each other.
# A file that was applied and then changed, or is gone, is an error: a correction is a new file.
set -euo pipefail
plan=no
if [ "${1:-}" = --plan ]; then plan=yes; shift; fi
database=${1:?usage: migrate.sh [--plan] DATABASE DIRECTORY}
directory=${2:?usage: migrate.sh [--plan] DATABASE DIRECTORY}

shopt -s nullglob
files=("$directory"/[0-9][0-9][0-9]-*.sql)
[ ${#files[@]} -gt 0 ] || { echo "migrate.sh: no NNN-name.sql in $directory" >&2; exit 2; }

opening() {
	cat <<'SQL'
SET client_min_messages = warning;
SET lock_timeout = '30s';
SELECT pg_advisory_lock(hashtextextended('mykey.migration', 0)) \g /dev/null
CREATE SCHEMA IF NOT EXISTS migration;
CREATE TABLE IF NOT EXISTS migration.applied (
    file text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TEMP TABLE present (file text PRIMARY KEY, sha256 text NOT NULL);
CREATE FUNCTION pg_temp.check_files() RETURNS void LANGUAGE plpgsql AS $$
DECLARE bad text;
BEGIN
    SELECT string_agg(a.file || CASE WHEN p.file IS NULL THEN ' is gone' ELSE ' was changed' END, ', ') INTO bad
      FROM migration.applied a LEFT JOIN present p USING (file) WHERE p.sha256 IS DISTINCT FROM a.sha256;
    IF bad IS NOT NULL THEN RAISE EXCEPTION 'applied migrations differ: %', bad; END IF;
END $$;
SQL
}

script() {
	opening
	for file in "${files[@]}"; do
		printf "INSERT INTO present VALUES ('%s', '%s');\n" "$(basename "$file")" "$(sha256sum < "$file" | cut -d' ' -f1)"
	done
	echo "SELECT pg_temp.check_files() \\g /dev/null"
	for file in "${files[@]}"; do
		name=$(basename "$file")
		echo "SELECT NOT EXISTS (SELECT FROM migration.applied WHERE file = '$name') AS due \\gset"
		echo '\if :due'
		if [ $plan = yes ]; then
			echo "\\echo would apply $name"
		else
			echo '\o /dev/null'
			echo 'BEGIN;'
			cat "$file"
			echo 'RESET search_path;'
			echo "INSERT INTO migration.applied (file, sha256) SELECT file, sha256 FROM present WHERE file = '$name';"
			echo 'COMMIT;'
			echo '\o'
			echo "\\echo applied $name"
		fi
		echo '\endif'
	done
}

for file in "${files[@]}"; do
	case $(basename "$file") in *[!A-Za-z0-9._-]*) echo "migrate.sh: odd file name $file" >&2; exit 2 ;; esac
done
script | psql -X -q -v ON_ERROR_STOP=1 -d "$database"
