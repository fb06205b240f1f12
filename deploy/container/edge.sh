#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# edge.sh NAME GATEWAY...: an edge in front of the gateways, whose sockets are in /run/mykey/http.
set -eu
name=$1
shift
for gateway in "$@"; do
	set -- "$@" --gateway "$gateway=/run/mykey/http/$gateway.http"
	shift
done
python3 /usr/share/mykey/deploy/haproxy/render.py --out "/tmp/$name.cfg" --listen :8443 --ops 127.0.0.1:9100 \
	--cert /run/secrets/server.pem --secret-map /run/secrets/edge-secret --terminal-ca /etc/mykey/authority.pem "$@"
exec haproxy -db -f "/tmp/$name.cfg"
