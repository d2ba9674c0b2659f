#!/bin/sh
# Installs what is missing to build and run Gori (setup.sh run) or to test it as well (setup.sh test), with the
# packages of Debian or Ubuntu. Does nothing, and asks for nothing, when all is there. Uses sudo unless it is root.
set -eu

want=${1:-run}
missing=""

need() { # need PACKAGE COMMAND…: the package, unless one of the commands is there
    package=$1
    shift
    for command in "$@"; do
        if command -v "$command" >/dev/null 2>&1; then return; fi
    done
    missing="$missing $package"
}

postgres_is_there() {
    for dir in /usr/lib/postgresql/1[5-7]/bin /usr/pgsql-1[5-7]/bin; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then return 0; fi
    done
    if command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1; then return 0; fi
    return 1
}

if ! command -v go >/dev/null 2>&1; then
    echo "setup: Go is missing. Install it from https://go.dev/dl/ or as golang-go, at least 1.21: the toolchain go.mod asks for comes by itself." >&2
    exit 1
fi

postgres_is_there || missing="$missing postgresql"
need nodejs node
need npm npm
if [ ! -x /usr/sbin/nginx ]; then need nginx-light nginx; fi
if [ "$want" = test ]; then
    # Ubuntu's package is called otherwise, and brings the snap.
    browser=chromium
    if grep -qs '^ID=ubuntu' /etc/os-release; then browser=chromium-browser; fi
    need $browser chromium chromium-browser google-chrome
    # The lines of docs/PROTOCOL.md are run.
    need curl curl
    need openssl openssl
    # The mesh is tested with a real server, too.
    if [ ! -x /usr/sbin/nats-server ]; then need nats-server nats-server; fi
    # -race needs a C compiler.
    need gcc gcc cc clang
    if command -v gcc >/dev/null 2>&1 && [ ! -e /usr/include/stdlib.h ]; then missing="$missing libc6-dev"; fi
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: please install:$missing (this script knows only apt-get)" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    sudo="sudo"
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: as root, please run: apt-get install$missing" >&2
        exit 1
    fi
fi

echo "setup: installing$missing"
case "$missing" in
*postgresql*)
    # Gori makes its own instances: the package must not start one of its own. Settings that are there stay.
    conf=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$conf" ]; then
        $sudo mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $sudo tee "$conf" >/dev/null
        made_conf=yes
    fi
    ;;
esac
# Gori runs an Nginx of its own: the package's service must not take port 80 (or fail when it is taken), nor that of
# nats-server, which only tests start, port 4222. While they are installed a policy keeps services from starting.
policy=/usr/sbin/policy-rc.d
hold_services() {
    case "$missing" in
    *nginx* | *nats-server*)
        [ ! -e $policy ] || return 0
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 755 $policy
        ;;
    esac
}
release_services() {
    if [ "${made_policy:-}" = yes ]; then $sudo rm -f $policy; fi
    made_policy=""
}
quiet_services() {
    [ -d /run/systemd/system ] || return 0
    for service in nginx nats-server; do
        case "$missing" in
        *$service*) $sudo systemctl disable --now $service >/dev/null 2>&1 || true ;;
        esac
    done
}
# Without a terminal nobody can answer; a package's changed settings stay as they are.
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold "$@" </dev/null; }
apt update
trap release_services EXIT
hold_services
# shellcheck disable=SC2086 # the words are package names
apt install --no-install-recommends $missing
release_services
quiet_services
if [ "${made_conf:-}" = yes ]; then echo "setup: $conf keeps PostgreSQL from starting an instance of its own; remove it if you want one"; fi

postgres_is_there || {
    echo "setup: no PostgreSQL 15, 16 or 17 after installing; this distribution brings another version. See https://www.postgresql.org/download/linux/" >&2
    exit 1
}
