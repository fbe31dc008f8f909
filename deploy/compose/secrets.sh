#!/bin/sh
# The secrets of docker-compose.yml, as files: deploy/compose/secrets, or the folder $JIAYUAN_SECRETS.
#   secrets.sh                            make those that are missing; nothing that exists is changed
#   secrets.sh rotate broker USER         new password of a broker user (jiayuan-routing, hotline-12345, …)
#   secrets.sh rotate database SERVICE    new password of a service's database role
#   secrets.sh rotate token               new signing secret of staff tokens: everybody signs in again
#   secrets.sh rotate seal                a new sealing key in front; the old ones still open what they sealed
#   secrets.sh rotate person              a new key in front of those that wrap the keys of persons; old ones stay
#   secrets.sh rotate provider [VALUE]    the secret shared with the provider of notices
#   secrets.sh set wechat SECRET          the mini-program's secret, from WeChat
#   secrets.sh set media KEY SECRET       access to the S3 store of photos
# What to run after a rotation is printed, and in docs/operations.md.
set -eu
into=${JIAYUAN_SECRETS:-$(dirname "$0")/secrets}
services="intake routing sla ledger notify"
partners="hotline-12345 city-management department-systems weather-bureau emergency-bureau"

# The folder keeps other people of the machine out. The files are readable by anybody inside a container,
# where each gets only those that are its own: Compose mounts them as they are.
umask 077
mkdir -p "$into"
chmod 700 "$into"
printf '*\n' >"$into/.gitignore"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
read_secret() { cat "$into/$1"; }
write() {
    printf '%s\n' "$2" >"$into/.$1.new"
    chmod 444 "$into/.$1.new"
    mv -f "$into/.$1.new" "$into/$1"
}
missing() { [ ! -s "$into/$1" ]; }

broker_password() {
    write "broker_password_$1" "$2"
    case $1 in jiayuan-*) write "${1#jiayuan-}_amqp_uri" "amqp://$1:$2@broker:5672/jiayuan" ;; esac
}
database_password() {
    write "$1_database_password" "$2"
    write "$1_database_url" "postgresql://jiayuan_$1:$2@database:5432/jiayuan_$1"
}
usage() {
    sed -n '2,12p' "$0" >&2
    exit 2
}
check_known() {
    for one in $2; do [ "$one" != "$1" ] || return 0; done
    echo "secrets.sh: '$1' is none of: $2" >&2
    exit 2
}

make() {
    if missing broker_admin.conf; then
        password=$(random)
        write broker_admin.conf "default_user = admin
default_pass = $password"
        write broker_admin_url "http://admin:$password@broker:15672"
    fi
    if missing database_admin_password; then
        password=$(random)
        write database_admin_password "$password"
        write database_admin_url "postgresql://postgres:$password@database:5432/postgres"
    fi
    for service in $services; do
        if missing "${service}_database_password"; then database_password "$service" "$(random)"; fi
        if missing "broker_password_jiayuan-$service"; then broker_password "jiayuan-$service" "$(random)"; fi
    done
    for partner in $partners; do
        if missing "broker_password_$partner"; then broker_password "$partner" "$(random)"; fi
    done
    if missing token_secret; then write token_secret "$(random)"; fi
    if missing seal_keys; then write seal_keys "k1:$(key)"; fi
    # Signs the account. Its name is the log's for good: give one of your own before the first start.
    if missing signing_key; then write signing_key "${JIAYUAN_LOG_NAME:-jiayuan.example/ledger}:$(key)"; fi
    # Its own, so that pseudonyms of reporters outlive the sealing keys.
    if missing reporter_secret; then write reporter_secret "$(random)"; fi
    if missing person_keys; then write person_keys "p1:$(key)"; fi
    # These come from outside: empty until they are set.
    for given in wechat_secret media_key media_secret; do
        if missing $given; then write $given ""; fi
    done
    if missing provider_secret; then write provider_secret "$(random)"; fi
    echo "secrets are in $into"
}

users=
for service in $services; do users="$users jiayuan-$service"; done
case "${1:-make} ${2:-}" in
"make ") make ;;
"rotate broker")
    check_known "${3:-}" "$users $partners"
    broker_password "$3" "$(random)"
    echo "now: docker-compose up broker-setup"
    case $3 in
    jiayuan-*) echo "then: docker-compose up -d --no-deps --force-recreate ${3#jiayuan-}" ;;
    *) echo "then give $into/broker_password_$3 to $3" ;;
    esac
    ;;
"rotate database")
    check_known "${3:-}" "$services"
    database_password "$3" "$(random)"
    echo "now: docker-compose up migrate-$3"
    echo "then: docker-compose up -d --no-deps --force-recreate $3"
    ;;
"rotate token")
    write token_secret "$(random)"
    echo "now: docker-compose up -d --no-deps --force-recreate $services"
    ;;
"rotate seal")
    old=$(read_secret seal_keys)
    newest=${old%%:*}
    write seal_keys "k$((${newest#k} + 1)):$(key),$old"
    # Who opens must know the key before somebody seals with it.
    echo "now: docker-compose up -d --no-deps --force-recreate notify"
    echo "then: docker-compose up -d --no-deps --force-recreate routing intake"
    ;;
"rotate person")
    old=$(read_secret person_keys)
    newest=${old%%:*}
    write person_keys "p$((${newest#p} + 1)):$(key),$old"
    echo "now: docker-compose up -d --no-deps --force-recreate intake"
    echo "then: docker-compose exec -T intake jiayuan intake keys rotate"
    ;;
"set wechat")
    [ -n "${3:-}" ] || usage
    write wechat_secret "$3"
    echo "now: docker-compose up -d --no-deps --force-recreate intake"
    ;;
"set media")
    [ -n "${3:-}" ] && [ -n "${4:-}" ] || usage
    write media_key "$3"
    write media_secret "$4"
    echo "now: docker-compose up -d --no-deps --force-recreate intake"
    ;;
"rotate provider")
    write provider_secret "${3:-$(random)}"
    echo "now: docker-compose up -d --no-deps --force-recreate notify"
    ;;
*) usage ;;
esac
