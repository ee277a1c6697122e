#!/usr/bin/env bash
# Goal: the image that no engine has made is loaded by Docker and runs as its user, becomes healthy, serves, and keeps its data over a restart. Method: load
# and run it, without a port of this host, with a flag of which it has a default.
#
#   image_test.sh ARCHIVE
set -euo pipefail
name=quorate-packages-test-$$
docker load --quiet --input "$1" >/dev/null
docker run --detach --name "$name" quorate:latest --advertise-client-urls=http://store:2379 >/dev/null
trap 'docker rm --force --volumes "$name" >/dev/null' EXIT
await() {
	for _ in $(seq 120); do
		[ "$(docker inspect --format '{{.State.Health.Status}}' "$name")" = healthy ] && return
		read -rt 1 <> <(:) || true
	done
	docker logs "$name" | tail -5
	echo "FAILED: it does not become healthy" >&2
	return 1
}
await
address=$(docker inspect --format '{{.NetworkSettings.IPAddress}}' "$name")
curl --fail --silent --show-error -X PUT "http://$address:2379/v2/keys/greeting" -d value=hello >/dev/null
docker restart "$name" >/dev/null
await
address=$(docker inspect --format '{{.NetworkSettings.IPAddress}}' "$name")
curl --fail --silent --show-error "http://$address:2379/v2/keys/greeting" | grep -q '"value":"hello"'
[ "$(docker inspect --format '{{.Config.User}}' "$name")" = 65532:65532 ]
echo "ok: the image is loaded, runs as nobody, is healthy, and keeps its data over a restart"
