# nginx under a load of requests: clients beside it in the container, each with one kept-alive
# connection that must survive; what it serves is also fetched anew from outside.
# shellcheck shell=bash
need nginx curl
. "$TESTS_DIR/status.sh"

nginx_fetch() { nsenter -t "$(container_pid "$ID")" -n curl -sSf --max-time 5 http://127.0.0.1/data; }
fetched_sum() { nginx_fetch | sha256sum | cut -d' ' -f1; }

workload_setup() {
    BUNDLE=$WORK/$ID.bundle STATUS=$BUNDLE/rootfs/status
    local rootfs=$BUNDLE/rootfs
    make_bundle "$BUNDLE"
    bundle_add_program "$BUNDLE" "$(command -v nginx)"
    bundle_add_target "$BUNDLE" client
    mkdir -p "$rootfs/www" "$rootfs/var/lib/nginx" "$rootfs/var/log/nginx"
    head -c 20000 /dev/urandom >"$rootfs/www/data"
    cat >"$rootfs/etc/nginx.conf" <<'CONF'
user root;
daemon off;
worker_processes 2;
pid /run/nginx.pid;
error_log /tmp/error.log;
events { worker_connections 64; }
http {
    access_log /tmp/access.log;
    keepalive_timeout 1d;
    keepalive_time 1d;
    keepalive_requests 1000000000;
    add_header X-Connection $connection;
    server { listen 80; root /www; }
}
CONF
    bundle_args "$BUNDLE" /bin/sh -c "for i in 1 2 3; do client http 127.0.0.1 80 /load\$i & done
        client http 127.0.0.1 80 /status & exec $(command -v nginx) -c /etc/nginx.conf"
    status_start
}

workload_work() {
    local sum
    sum=$(status_field sum)
    head -c 20000 /dev/urandom >"$BUNDLE/rootfs/www/data.new"
    mv "$BUNDLE/rootfs/www/data.new" "$BUNDLE/rootfs/www/data"
    wait_for 10 "the client to see the new content" status_differs sum "$sum"
}

workload_state() { echo "$(<"$STATUS") sha256=$(fetched_sum)"; }

workload_verify() { # EXPECTED
    local served=$STATUS
    for STATUS in "$served" "$BUNDLE"/rootfs/load?; do
        status_goes_on counter "$(sed 's/counter=[0-9]*/counter=0/' <<<"$1")"
        check_eq "$(status_field state)" ok "the client's connection"
        check_eq "$(status_field gaps)" 0 "changes of the connection"
    done
    STATUS=$served
    status_goes_on counter "$1"
    status_same "$1" connection sum length
    check_eq "$(fetched_sum)" "$(field sha256 "$1")" "what nginx serves"
    check_eq "$(sha256sum <"$BUNDLE/rootfs/www/data" | cut -d' ' -f1)" "$(field sha256 "$1")" "the file"
}

workload_teardown() { rc delete --force "$ID"; }
