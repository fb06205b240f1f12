#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# inner.sh NAME GATEWAY: the TLS side of a gateway, whose socket is in /run/mykey/http.
set -eu
python3 /usr/share/mykey/deploy/haproxy/render.py inner --out "/tmp/$1.cfg" --ops 127.0.0.1:9100 --edge-ca /etc/mykey/inner.pem \
	--gateway "$2=:8543,/run/secrets/server.pem,/run/mykey/http/$2.http"
exec chrt -b 0 haproxy -db -f "/tmp/$1.cfg"
