#!/bin/sh
# Installs the Debian packages of the named sets (packages.txt), starting and enabling nothing.
# Usage: tools/setup/install.sh SET...   Run as root, or as a user who may sudo.
set -eu
here=$(dirname "$0")

wanted() {
	for set in "$@"; do
		awk -v set="$set" '!/^#/ && $2 == set { print $1 }' "$here/packages.txt"
	done
}

missing() {
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts and enables what it installs. A policy-rc.d that answers 101 stops the starting; it is
# removed only if it is ours. postgresql-common makes a cluster unless told not to.
forbid_starting() {
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\n# mykey setup\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
		as_root chmod 755 /usr/sbin/policy-rc.d
	fi
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		as_root mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
}

allow_starting() {
	if grep -qs '^# mykey setup$' /usr/sbin/policy-rc.d; then
		as_root rm -f /usr/sbin/policy-rc.d
	fi
}

# Units that this installation enabled are disabled again; those enabled before stay as they were.
enabled_units() {
	for unit in postgresql.service haproxy.service pcscd.socket pcscd.service docker.service containerd.service; do
		if [ -d /run/systemd/system ] && systemctl is-enabled --quiet "$unit" 2>/dev/null; then echo "$unit"; fi
	done
}

disable_new_units() {
	for unit in $(enabled_units); do
		case " $1 " in *" $unit "*) ;; *) as_root systemctl disable --quiet "$unit" ;; esac
	done
}

packages=$(missing $(wanted "$@"))
if [ -z "$packages" ]; then
	exit 0
fi
echo "setup: installing $(echo $packages | wc -w) Debian packages (this takes a few minutes once)"
before=$(enabled_units | tr '\n' ' ')
forbid_starting
trap allow_starting EXIT INT TERM
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -o DPkg::Lock::Timeout=600 -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0"
as_root env DEBIAN_FRONTEND=noninteractive $apt update
as_root env DEBIAN_FRONTEND=noninteractive $apt install -o Dpkg::Options::=--force-confold $packages
disable_new_units "$before"
echo "setup: done"
