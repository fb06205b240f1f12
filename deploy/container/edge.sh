#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# edge.sh NAME GATEWAY=HOST:PORT...: an edge in front of the gateways, which it reaches over TLS.
set -eu
name=$1
shift
for gateway in "$@"; do
	set -- "$@" --gateway "$gateway"
	shift
done
python3 /usr/share/mykey/deploy/haproxy/render.py edge --out "/tmp/$name.cfg" --listen :8443 --ops 127.0.0.1:9100 \
	--cert /run/secrets/server.pem --secret-map /run/secrets/edge-secret --terminal-ca /etc/mykey/authority.pem \
	--gateway-cert /run/secrets/client.pem --gateway-ca /etc/mykey/inner.pem "$@"
exec chrt -b 0 haproxy -db -f "/tmp/$name.cfg"
