#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# images.sh: checks docker-compose.yml and makes its image (MYKEY_IMAGE, default mykey-platform:dev). No image is pulled:
# the bases are made from a Debian mirror, once for each list of packages. Exit 3: they can't be made on this machine.
set -eu
cd "$(dirname "$0")/../.."
image=${MYKEY_IMAGE:-mykey-platform:dev}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# A base is named after what is in it.
base_name() {
	packages=$(awk -v set="$1" '!/^#/ && $2 == set { print $1 }' tools/setup/packages.txt)
	sum=$(echo "$packages" | cat - deploy/container/base.sh tools/setup/install.sh | sha256sum | cut -c1-12)
	echo "mykey-$2-base:bookworm-$sum"
}

has_image() {
	docker image inspect "$1" > /dev/null 2>&1
}

docker-compose config -q
if ! docker info > /dev/null 2>&1; then
	echo "images: docker-compose.yml is well-formed; no docker engine answers, so no image was made" >&2
	exit 3
fi
build_base=$(base_name build build)
run_base=$(base_name image run)
wanted=""
has_image "$build_base" || wanted="build=$build_base"
has_image "$run_base" || wanted="$wanted image=$run_base"
if [ -n "$wanted" ]; then
	tools/setup/install.sh engine
	as_root unshare --mount deploy/container/base.sh $wanted
fi
# Build stages of source that is gone.
docker image prune --force --filter label=mykey.stage=build --filter until=24h > /dev/null
export DOCKER_BUILDKIT=0
docker build --quiet --network none --build-arg "BUILD_IMAGE=$build_base" --build-arg "RUN_IMAGE=$run_base" \
	--tag "$image" --file deploy/container/Dockerfile .
