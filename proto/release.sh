#!/bin/sh
# Writes the descriptor set against which later changes are judged: run once for each release.
set -eu
cd "$(dirname "$0")"
protoc --proto_path=. --descriptor_set_out=released.binpb ./*.proto
