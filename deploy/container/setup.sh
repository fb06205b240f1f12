#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# setup.sh HOST...: makes what docker-compose.yml mounts, in /data (./var/compose of the host): bus keys and their table,
# ticket and credential keys, the edges' secret, a terminal authority, an inner authority (edges and gateways to each other),
# the test authority of cards. HOST: names of the edges. What is there stays, keys are never replaced; the certificates of
# edges and gateways (30 days) and the revocation lists (2 days) are made anew by every run. A real platform puts its own files in these places (README.md).
set -euo pipefail
umask 077
share=/usr/share/mykey
cd /data

# folder of secrets: the user that reads it. Key files must belong to their reader.
declare -A owner=([broker-a]=65532 [broker-b]=65532 [gateway]=65532 [jpki-verify]=65532 [edge]=65532 [ops]=65532
	[terminal-ca]=65532 [registry]=65531 [inner-1]=65532 [inner-2]=65532)
principals="gateway registry jpki-verify ops terminal-ca"

missing() { [ ! -e "$1" ]; }

bus_key() {
	! missing "secrets/$1/bus.key" || mykeyctl keys bus "secrets/$1/bus.key" "public/bus/$1.pub"
}

ring() {
	! missing "secrets/$1" || mykeyctl keys ring "secrets/$1"
}

# Two readers, two files.
copy_secret() {
	! missing "secrets/$2" || install -m 0400 "secrets/$1" "secrets/$2"
}

edge_secret() {
	! missing "secrets/$1" || { echo "edge $(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" > "secrets/$1.new"; mv "secrets/$1.new" "secrets/$1"; }
	chmod 0400 "secrets/$1"
}

acl() {
	local text key
	text=$(< $share/deploy/bus/acl.zpl)
	for name in $principals; do
		key=$(awk -F '"' '/public-key/ { print $2 }' "public/bus/$name.pub")
		text=${text//"@$name@"/"$key"}
	done
	echo "$text" > public/bus/acl.zpl.new
	mv public/bus/acl.zpl.new public/bus/acl.zpl
}

terminal_authority() {
	! missing secrets/terminal-ca/authority.key || mykeyctl ca init secrets/terminal-ca
	mykeyctl ca server secrets/terminal-ca "$@"
	mv secrets/terminal-ca/server.pem secrets/edge/server.pem
	cp secrets/terminal-ca/authority.pem public/authority.pem
}

# Its key is nobody's but root's.
inner_authority() {
	! missing secrets/inner-ca/authority.key || mykeyctl ca init secrets/inner-ca "MyKey inner authority"
	for number in 1 2; do
		mykeyctl ca server secrets/inner-ca "gateway-$number"
		mv secrets/inner-ca/server.pem "secrets/inner-$number/server.pem"
	done
	mykeyctl ca client secrets/inner-ca edge
	mv secrets/inner-ca/client.pem secrets/edge/client.pem
	cp secrets/inner-ca/authority.pem public/inner.pem
}

card_authority() {
	python3 $share/tools/testca/testca.py testca
	cp -r testca/roots testca/root-pins public/jpki/
	# The service watches this folder: a list is whole or not there.
	for list in testca/crl/*.crl; do
		cp "$list" "public/jpki/crl/.new"
		mv public/jpki/crl/.new "public/jpki/crl/$(basename "$list")"
	done
}

terms() {
	python3 - "$share/tools/dev" <<-'PY'
		import sys
		sys.path.insert(0, sys.argv[1])
		from operators import PLATFORM_TERMS_EN, PLATFORM_TERMS_JA
		for language, text in (("ja", PLATFORM_TERMS_JA), ("en", PLATFORM_TERMS_EN)):
		    with open(f"public/terms.{language}", "w", encoding="utf-8") as file:
		        file.write(text)
	PY
}

for name in "${!owner[@]}"; do mkdir -p "secrets/$name"; done
mkdir -p public/bus public/jpki/crl
for name in broker-a broker-b $principals; do bus_key "$name"; done
ring jpki-verify/credential.keys
ring jpki-verify/ticket-registry.keys
ring registry/suspend.keys
copy_secret jpki-verify/ticket-registry.keys registry/ticket-registry.keys
edge_secret gateway/edge-secret
copy_secret gateway/edge-secret edge/edge-secret
acl
terminal_authority "$@"
inner_authority
card_authority
! missing public/terms.ja || terms
chmod -R u=rwX,go=rX public
for name in "${!owner[@]}"; do chown -R "${owner[$name]}:${owner[$name]}" "secrets/$name"; done
chmod 0711 .
echo "setup: done; test cards are in testca/cards"
