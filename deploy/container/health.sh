#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# health.sh: is this container's service ready? Asks its ops port; no other program is needed.
exec 3<> /dev/tcp/127.0.0.1/9100 || exit 1
printf 'GET /readyz HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
cat <&3
[ "$status" = 200 ]
