#!/bin/sh
# Configures once and builds: tools/setup/build.sh BUILD_DIR [1 = sanitizers]
set -eu
build=$1
cd "$(dirname "$0")/../.."
if [ ! -e "$build/build.ninja" ]; then
	options=""
	if [ "${2:-}" = 1 ]; then
		# UBSan's faults end a process as ASan's do; as a shared library beside ASan it would not write them to log_path.
		options="-Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dc_args=-fno-sanitize-recover=all
			-Dc_link_args=-static-libubsan"
	fi
	meson setup "$build" $options >"/tmp/mykey-setup-$$.log" || { cat "/tmp/mykey-setup-$$.log"; exit 1; }
	rm -f "/tmp/mykey-setup-$$.log"
fi
# On a terminal ninja shows its own progress line; elsewhere only what is wrong.
if [ -t 1 ]; then
	ninja -C "$build"
else
	ninja --quiet -C "$build" || exit 1
	echo "build: $build is up to date"
fi
