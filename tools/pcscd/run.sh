#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs pcscd with a virtual reader (vsmartcard's vpcd) in a mount and network namespace of its own, and COMMAND beside it.
# Usage: tools/pcscd/run.sh RUN_DIR -- COMMAND...
#
# vpcd listens on all addresses without asking who comes, and pcscd's socket is otherwise one for the whole machine; in a
# namespace neither is seen by others, and any number of them run side by side. Clients outside use
# PCSCLITE_CSOCK_NAME=RUN_DIR/pcscd/pcscd.comm. Runs as root, or as anyone where user namespaces are allowed, else by sudo.
# SIGTERM or SIGINT, or the end of pcscd or COMMAND, stops both. Exit status: 0 after a signal, else that of what ended.
set -eu

die() {
	echo "pcscd/run.sh: $*" >&2
	exit 1
}

# The namespace: outside it, start over inside.
enter() {
	command -v unshare >/dev/null || die "unshare is missing: run 'make setup'"
	if [ "$(id -u)" = 0 ]; then
		exec env MYKEY_PCSCD_INSIDE=1 unshare -m -n --propagation private -- "$0" "$@"
	elif unshare -r -m -n -- true 2>/dev/null; then
		exec env MYKEY_PCSCD_INSIDE=1 unshare -r -m -n --propagation private -- "$0" "$@"
	fi
	exec sudo -n -- env MYKEY_PCSCD_USER="$(id -u):$(id -g)" "$0" "$@"
}

write_reader() {
	cat >"$dir/conf/vpcd" <<-EOF
		FRIENDLYNAME "Virtual PCD"
		DEVICENAME   /dev/null:0x8C7B
		LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so
		CHANNELID    0x8C7B
	EOF
}

# pcscd's directory is a compiled-in path: ours is laid over it. Where it can't be made, /run itself is covered.
mount_directory() {
	cd "$dir"
	[ -d /run/pcscd ] || mkdir -p /run/pcscd 2>/dev/null || {
		mount -t tmpfs tmpfs /run
		mkdir /run/pcscd
	}
	mount --no-canonicalize --bind . /run/pcscd
	cd - >/dev/null
}

wait_for_pcscd() {
	tries=100
	while [ ! -S "$dir/pcscd.comm" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		kill -0 "$pcscd" 2>/dev/null || return 1
		sleep 0.1
	done
}

# The command first: what pcscd waits for from the card ends when the card goes.
stop() {
	trap '' TERM INT
	for pid in $command $pcscd; do
		kill "$pid" 2>/dev/null || continue
		timeout 3 tail -s 0.05 --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
	done
	rm -f "$dir/pcscd.comm" "$dir/pcscd.pid"
}

[ $# -ge 3 ] && [ "$2" = "--" ] || die "usage: run.sh RUN_DIR -- COMMAND..."
# Made by the one who called, who can remove them again. An empty directory of USB drivers: a real reader of this machine
# is none of our business.
mkdir -p "$1/pcscd/conf" "$1/pcscd/no-usb"
[ "${MYKEY_PCSCD_INSIDE:-}" = 1 ] || enter "$@"
user=${MYKEY_PCSCD_USER:-}
unset MYKEY_PCSCD_INSIDE MYKEY_PCSCD_USER

dir=$(cd "$1/pcscd" && pwd)
shift 2
exec 9>"$dir/lock"
flock -n 9 || die "$dir is in use by another pcscd"
rm -f "$dir/pcscd.comm" "$dir/pcscd.pid"
write_reader
ip link set lo up
mount_directory

pcscd='' command=''
trap 'stop; exit 0' TERM INT
# The children die with this script, however it ends.
PCSCLITE_HP_DROPDIR="$dir/no-usb" setpriv --pdeathsig TERM -- /usr/sbin/pcscd -f -c "$dir/conf" >"$dir/pcscd.log" 2>&1 &
pcscd=$!
wait_for_pcscd || {
	stop
	die "pcscd doesn't start: see $dir/pcscd.log"
}
setpriv --pdeathsig TERM ${user:+--reuid=${user%:*} --regid=${user#*:} --clear-groups} \
	-- "$@" &
command=$!

status=0
wait -n "$pcscd" "$command" || status=$?
stop
exit "$status"
