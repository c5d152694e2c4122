#!/bin/sh
# Builds the image of deploy/docker with the project of swarm/, and tries it under each set of options: what doctor says, then a run
# with those of compose.yaml: up, work, its watch killed, stopped. Needs a Docker daemon (DOCKER_HOST); with LOCAL=1 the images of
# Debian and of npm are made here, of Debian's own packages (mmdebstrap), where no registry of images is reached.
#   npm run build && sh test/hosting/docker.sh
set -eu
export DOCKER_BUILDKIT=0
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'docker rm -f sitter-tried > /dev/null 2>&1 || true; docker volume rm sitter-tried > /dev/null 2>&1 || true; rm -rf "$work"' EXIT INT TERM

mkdir "$work/project" "$work/npm"
(cd "$checkout" && npm pack --silent --ignore-scripts --pack-destination "$work/project") > /dev/null
cp "$here"/swarm/* "$work/project/"
tgz=$(basename "$work"/project/swarmsitter-*.tgz)
echo "{\"name\":\"tried\",\"private\":true,\"type\":\"module\",\"dependencies\":{\"swarmsitter\":\"file:./$tgz\"}}" > "$work/project/package.json"
(cd "$work/project" && npm install --silent --package-lock-only)
base=debian:bookworm-slim npm=node:26-bookworm-slim
if [ "${LOCAL:-}" = 1 ]; then
  base=sitter-debian npm=sitter-npm
  docker image inspect "$base" > /dev/null 2>&1 ||
    { mmdebstrap --quiet --variant=minbase bookworm "$work/debian.tar" && docker import "$work/debian.tar" "$base" > /dev/null; }
  # npm trusts here what it trusts on this machine.
  authorities=$(npm config get cafile)
  [ -f "$authorities" ] || authorities=/etc/ssl/certs/ca-certificates.crt
  cp "$authorities" "$work/npm/authorities.crt"
  printf 'FROM %s\nRUN apt-get update && apt-get install -y --no-install-recommends npm ca-certificates\nCOPY authorities.crt /\nENV npm_config_cafile=/authorities.crt\n' "$base" > "$work/npm/Dockerfile"
  docker build --quiet --network host --tag "$npm" "$work/npm" > /dev/null
fi
docker build --network host --build-arg "NPM=$npm" --build-arg "BASE=$base" --tag sitter-tried --file "$checkout/deploy/docker/Dockerfile" "$work/project" | tail -n 1

look() {
  echo "-- docker run --init $*"
  # shellcheck disable=SC2086
  docker run --rm --init --network none "$@" sitter-tried doctor --json > "$work/told.json" 2> "$work/said" || true
  python3 - "$work/told.json" 2> /dev/null <<'PY' || sed 's/^/   /' "$work/said"
import json, sys
for one in json.load(open(sys.argv[1]))['checks']:
    if one['name'] in ('sandbox', 'system-calls', 'limits', 'cell-users', 'cells-die', 'restart', 'user') or one['name'].startswith('cell-'):
        print(f"   {one['verdict']:9} {one['name']:14} {one['says'][:140]}")
PY
}
walls='--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined'
closed='--security-opt no-new-privileges:true --cap-drop ALL --read-only --tmpfs /tmp:mode=1777 --tmpfs /run/sitter:mode=0700,uid=10001,gid=10001'
look
look --security-opt seccomp=unconfined
look --security-opt seccomp=unconfined --security-opt apparmor=unconfined
look $walls
look $walls $closed
look $walls --user 0
look $walls --user 0 --cap-add SYS_ADMIN --cap-add NET_ADMIN
look $walls $closed --security-opt writable-cgroups=true

echo '-- a run with the options of compose.yaml'
(umask 077; head -c 32 /dev/urandom | base64 > "$work/tried.key")
chown 10001:10001 "$work/tried.key"
docker run -d --name sitter-tried --init --network none --restart unless-stopped --stop-timeout 130 $walls $closed --memory 2g --pids-limit 1024 \
  -v "$work/tried.key:/run/secrets/tried.key:ro" -v sitter-tried:/var/lib/swarmsitter sitter-tried > /dev/null
inside() { docker exec sitter-tried "$@"; }
answers() {
  for _ in $(seq 120); do
    code=0
    inside sitter status > /dev/null 2>&1 || code=$?
    # 69: nobody answers; 125 and more: Docker's own.
    [ "$code" -ge 69 ] || { echo "   up"; return; }
    sleep 1
  done
  echo '   FAILED: it does not come up'
  exit 1
}
works() { inside sitter task add "$1" --payload "{\"do\":\"$2\"}" --wait --json | grep -o '"result":"[^}]*"' | cut -c 1-110; }
answers
works pooled it
works either status
inside sh -c 'for one in /proc/[0-9]*; do tr "\0" " " < "$one/cmdline" | grep -q "main[.]js up " && kill -9 "${one#/proc/}"; done' || true
sleep 3
answers
echo "   its watch was killed: Docker started it again $(docker inspect -f '{{.RestartCount}}' sitter-tried) times"
docker stop sitter-tried > /dev/null
echo "   stopped with exit code $(docker inspect -f '{{.State.ExitCode}}' sitter-tried)"
