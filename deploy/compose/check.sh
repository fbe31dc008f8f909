#!/bin/bash
# The whole of docker-compose.yml for real, beside whatever runs here: own project, secrets, volumes, port.
# Builds, brings all up with three replicas of routing and two of intake, sends reports through the proxy and follows
# them up to a receiver of notify's webhooks, uses intake's other channels, proves and publishes the account, holds a
# meeting; kills a replica, stops one, restarts broker and database, upgrades, restores a backup, all but the last
# under load; gives every role a container of its own; and takes everything away again. Exit code 0 when all worked.
#   COMPOSE="docker compose"   another Compose than docker-compose (or, without it, docker compose)
#   OVERRIDE=file.yml          with an override, e.g. deploy/compose/split-roles.yml
#   KEEP=1                     leave it running
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { echo "compose-check: $*"; }
docker info >/dev/null 2>&1 || { say "no Docker engine answers: start one, then try again"; exit 1; }
if [ -z "${COMPOSE:-}" ]; then
    if command -v docker-compose >/dev/null; then COMPOSE=docker-compose; else COMPOSE="docker compose"; fi
fi
$COMPOSE version >/dev/null 2>&1 || { say "'$COMPOSE' is missing: install Compose 1.29 or 2"; exit 1; }

folder=$(mktemp -d)
export COMPOSE_PROJECT_NAME=jiayuan-check-$$ JIAYUAN_SECRETS=$folder/secrets JIAYUAN_IMAGES=jiayuan-check
JIAYUAN_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export JIAYUAN_PORT
# notify sends by a webhook, signed with a secret that is a file, to a receiver beside it; and at any hour.
export JIAYUAN_PROVIDERS=$folder/providers JIAYUAN_NOTIFY_PROVIDERS=/etc/jiayuan-providers/providers.yaml
export JIAYUAN_NOTIFY_COURTESY=off
export JIAYUAN_ROUTING_REPLICAS=3 JIAYUAN_INTAKE_REPLICAS=2
mkdir "$JIAYUAN_PROVIDERS"
echo "whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')" >"$JIAYUAN_PROVIDERS/hook"
cat >"$JIAYUAN_PROVIDERS/providers.yaml" <<'END'
providers:
  - name: receiver
    kind: webhook
    address: http://receiver:8000/notices
    secrets: [{file: /etc/jiayuan-providers/hook}]
    channel: sms
  - name: kept
    kind: sink
    channel: mini_program
END
cat >"$folder/receiver.yml" <<'END'
services:
  receiver:
    image: ${JIAYUAN_IMAGES:-jiayuan}/notify:${JIAYUAN_VERSION:-local}
    entrypoint: [python3, /receiver.py]
    networks: [outward]
    volumes:
      - ./deploy/compose/check_receiver.py:/receiver.py:ro
      - ${JIAYUAN_PROVIDERS}:/etc/jiayuan-providers:ro
END
chmod -R a+rX "$JIAYUAN_PROVIDERS"
files=(-f docker-compose.yml)
files+=(-f "$folder/receiver.yml")
[ -z "${OVERRIDE:-}" ] || files+=(-f "$OVERRIDE")
compose() { $COMPOSE "${files[@]}" "$@"; }

finish() {
    code=$?
    if [ $code != 0 ]; then
        compose ps || true
        compose logs --tail 15 || true
    fi
    if [ -n "${KEEP:-}" ]; then
        say "left running: COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME JIAYUAN_SECRETS=$JIAYUAN_SECRETS JIAYUAN_PORT=$JIAYUAN_PORT JIAYUAN_IMAGES=$JIAYUAN_IMAGES"
    else
        compose down -v --timeout 30 >/dev/null 2>&1 || true
        rm -rf "$folder"
    fi
    [ $code = 0 ] && say "everything worked" || say "failed"
    exit $code
}
trap finish EXIT

# Wait until every container of the given services that is not a job says that it is healthy.
healthy() {
    for _ in $(seq 90); do
        states=$(docker ps -a --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
            --format '{{.Label "com.docker.compose.service"}} {{.Status}}' | grep -v -E '^(migrate-|broker-setup)')
        grep -q -v '(healthy)' <<<"$states" || return 0
        sleep 2
    done
    say "not healthy:" && grep -v '(healthy)' <<<"$states"
    return 1
}
container() { docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$1" --filter "label=com.docker.compose.container-number=$2"; }
# What notify sent has come to the receiver, all of it signed with our secret.
received() {
    docker exec "$(container receiver 1)" python3 -c '
import json, sys, urllib.request
counts = json.load(urllib.request.urlopen("http://127.0.0.1:8000/counts"))
print("compose-check: the receiver of notices:", counts)
sys.exit(not counts["good"] or counts["bad"])'
}

say "building with $($COMPOSE version --short 2>/dev/null || echo Compose)"
deploy/compose/secrets.sh >/dev/null
compose build >"$folder/build.log" 2>&1 || { tail -30 "$folder/build.log"; exit 1; }
say "starting"
compose up -d >"$folder/up.log" 2>&1 || { tail -30 "$folder/up.log"; exit 1; }
healthy
say "up and healthy; taking in the directory"
compose exec -T routing sh -c \
    'jiayuan routing directory seed --out /tmp/d.json && jiayuan routing directory import /tmp/d.json --who check'
# Several senders: each may send 600 reports in ten minutes.
JIAYUAN_TOKENS=$(compose exec -T intake sh -c \
    'for n in 1 2 3 4; do jiayuan token --sub check-$n --role county --role operator; done' | tr -d '\r')
export JIAYUAN_TOKENS
python3 deploy/compose/check_flow.py 300
say "what each container holds and takes after that:"
containers=$(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
docker stats --no-stream --format 'table {{.Name}}\t{{.MemUsage}}\t{{.CPUPerc}}\t{{.PIDs}}' $containers
received
say "photos, tracking codes, Open311, sheets"
OPEN311_KEY=$(compose exec -T intake jiayuan intake open311 keys add check | tr -d '\r')
export OPEN311_KEY
photo=$(python3 deploy/compose/check_channels.py)

say "the account, its proof and its publication; pages for people"
mkdir "$folder/proof"
python3 deploy/compose/check_account.py "$folder/proof"
# By the file that anybody may copy, with nothing but Python and cryptography behind it.
key=$(cat "$folder/proof/key.txt")
for proof in posting publication; do
    compose exec -T ledger sh -c \
        'cat >/tmp/proof.json && python3 -I "$(python3 -c "import jiayuan.ledger.verify as v; print(v.__file__)")" \
            /tmp/proof.json --key "$0"' "$key" <"$folder/proof/$proof.json"
done
compose exec -T ledger sh -c 'jiayuan ledger check "$(date +%Y)" && jiayuan ledger verify'
# Hotspots come from intake, asked with the ledger's own token.
compose exec -T intake jiayuan intake hotspots --since "$(date +%Y-%m-01)" --until "$(($(date +%Y) + 1))-01-01" \
    --street 350921001 --keep
say "a joint meeting"
CONVENER=$(compose exec -T intake jiayuan token --sub check-convener --role convener --street 350921001 | tr -d '\r')
export CONVENER
python3 deploy/compose/check_meeting.py
draft=$(compose exec -T ledger jiayuan ledger lists draft demand "$(date +%Y)Q$((($(date +%-m) + 2) / 3))" \
    --street 350921001 --community 350921001001 --who check | tr -d '\r')
say "$draft"
if grep -q 未取得 <<<"$draft"; then exit 1; fi

say "what each replica of routing has taken:"
for number in 1 2 3; do
    taken=$(docker exec "$(container routing $number)" python3 -c '
import re, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode()
print(int(float(re.search(r"^jiayuan_batch_size_sum\S* (\S+)", text, re.M).group(1))))')
    say "  routing $number: $taken messages"
    [ "$taken" -gt 0 ]
done

victim=$(container routing 2)
started=$(docker inspect -f '{{.State.StartedAt}}' "$victim")
say "killing routing 2"
docker exec "$victim" sh -c 'kill -9 -1' || true
for _ in $(seq 60); do
    [ "$(docker inspect -f '{{.State.StartedAt}}' "$victim")" = "$started" ] || break
    sleep 0.5
done
[ "$(docker inspect -f '{{.State.StartedAt}}' "$victim")" != "$started" ]
python3 deploy/compose/check_flow.py 50

# Does the given while reports come in, to its end; both have to end well.
meanwhile() {
    "$@" >"$folder/meanwhile.log" 2>&1 &
    other=$!
    python3 deploy/compose/check_flow.py 50
    while kill -0 $other 2>/dev/null; do python3 deploy/compose/check_flow.py 20; done
    wait $other || { cat "$folder/meanwhile.log"; return 1; }
    healthy
}
stopped_well() {
    for id in "$@"; do
        code=$(docker inspect -f '{{.State.ExitCode}}' "$id")
        [ "$code" = 0 ] || { say "$(docker inspect -f '{{.Name}}' "$id") stopped with exit code $code"; return 1; }
    done
}
stop_and_start() {
    docker stop -t 40 "$1" && stopped_well "$1" && docker start "$1"
}
# As docs/operations.md says, with the same images: every container is replaced.
upgrade() {
    compose exec -T database pg_dumpall -U postgres --clean --if-exists | gzip >"$folder/before-upgrade.sql.gz"
    deploy/compose/secrets.sh
    compose up broker-setup
    compose up migrate-intake migrate-routing migrate-sla migrate-ledger migrate-notify
    compose up -d --no-deps --force-recreate intake routing sla ledger notify
    compose run --rm --no-deps broker-setup broker check
}
say "stopping routing 3 while reports come in"
meanwhile stop_and_start "$(container routing 3)"
say "restarting the broker while reports come in"
meanwhile compose restart -t 30 broker
say "restarting the database while reports come in"
meanwhile compose restart -t 30 database
python3 deploy/compose/check_channels.py "$photo"
say "the photo outlived the restarts; upgrading while reports come in"
meanwhile upgrade
say "restoring a database"
compose exec -T database pg_dump -U postgres -Fc jiayuan_routing >"$folder/routing.dump"
compose stop -t 40 routing >/dev/null 2>&1
compose exec -T database pg_restore -U postgres --clean --if-exists -d jiayuan_routing <"$folder/routing.dump"
{ compose up migrate-routing && compose start routing; } >/dev/null 2>&1
healthy
python3 deploy/compose/check_flow.py 20
if [ -z "${OVERRIDE:-}" ]; then
    say "every role in a container of its own"
    echo 'services: {notify-send: {scale: 2}}' >"$folder/scale.yml"
    files+=(-f deploy/compose/split-roles.yml -f "$folder/scale.yml")
    compose up -d >"$folder/up.log" 2>&1 || { tail -30 "$folder/up.log"; exit 1; }
    healthy
    python3 deploy/compose/check_flow.py 50
fi

ours=$(compose config --services | grep -v -E '^(migrate-.*|broker-setup|broker|database|proxy|receiver)$')
for service in intake routing sla ledger notify; do
    dead=$(compose exec -T $service jiayuan dead-letters list $service | tr -d '\r')
    [ "$dead" = none ] || { say "dead letters in $service:"; echo "$dead"; exit 1; }
done
received
say "no dead letters; stopping gracefully"
# shellcheck disable=SC2086
compose stop -t 40 $ours >/dev/null 2>&1
for service in $ours; do
    stopped_well $(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$service")
done
