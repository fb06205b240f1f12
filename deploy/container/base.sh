#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# base.sh SET=IMAGE...: Debian 12 with the packages of a set of tools/setup/packages.txt, as an image of the engine, for
# machines that reach a Debian mirror and no image registry. As root; images.sh calls it in a mount namespace of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
setup=$here/../../tools/setup
release=bookworm
# The mirror that this machine installs from, unless another is named.
mirror=${MYKEY_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
	awk -v release="$release" '$2 == release && $3 == "main" && !found++ { print $1 }' || true)}
[ -n "$mirror" ] || { echo "base: no Debian mirror in apt's sources: name one in MYKEY_DEBIAN_MIRROR" >&2; exit 3; }
work=$(mktemp -d "${TMPDIR:-/var/tmp}/mykey-base.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# Where this machine gets Debian 12 from, security updates included; else the mirror alone.
sources() {
	local found
	found=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		grep -E " $release(-updates|-security)? main$" | sort -u || true)
	case $found in *" $release main"*) echo "$found" ;; *) echo "deb $mirror $release main" ;; esac
}

# What an image doesn't need, as in debian:12-slim; and no fsync for files that end in an archive.
lean() {
	cat > "$1/etc/dpkg/dpkg.cfg.d/mykey" <<-'CONF'
		force-unsafe-io
		path-exclude /usr/share/doc/*
		path-include /usr/share/doc/*/copyright
		path-exclude /usr/share/man/*
		path-exclude /usr/share/info/*
		path-exclude /usr/share/locale/*
	CONF
	apt-config dump | grep -i '^Acquire::.*proxy' > "$1/etc/apt/apt.conf.d/90proxy" || true
	echo 'Acquire::Languages "none"; Binary::apt-get::APT::Keep-Downloaded-Packages "false";' > "$1/etc/apt/apt.conf.d/91mykey"
	sources > "$1/etc/apt/sources.list"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
}

within() {
	local root=$1
	shift
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

fill() {
	local root=$1 set=$2
	cp -r "$setup" "$root/tmp/setup"
	mount -t proc proc "$root/proc"
	within "$root" /tmp/setup/install.sh "$set"
	umount "$root/proc"
	rm -rf "$root/tmp/setup" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log "$root/etc/resolv.conf"
	rm -f "$root/etc/apt/apt.conf.d/90proxy"
}

import() {
	tar --numeric-owner --one-file-system -C "$1" -c . | docker import --change 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin' - "$2" > /dev/null
}

echo "base: debootstrap of $release from $mirror"
debootstrap --variant=minbase "$release" "$work/base" "$mirror" > "$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 3; }
lean "$work/base"
for wanted in "$@"; do
	cp -a "$work/base" "$work/root"
	fill "$work/root" "${wanted%%=*}" > "$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
	import "$work/root" "${wanted#*=}"
	rm -rf --one-file-system "$work/root"
	echo "base: made ${wanted#*=}"
done
