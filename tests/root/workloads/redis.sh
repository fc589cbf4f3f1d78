# redis in memory, and a client beside it in the container whose one connection must survive.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"
. "$TESTS_DIR/redis.sh"

workload_setup() {
    BUNDLE=$WORK/$ID.bundle STATUS=$BUNDLE/rootfs/status
    redis_bundle
    bundle_add_target "$BUNDLE" client
    bundle_args "$BUNDLE" /bin/sh -c \
        "$(command -v redis-server) /etc/redis.conf & exec client redis 127.0.0.1 6379 /status"
    status_start
}

workload_work() { redis_work; }
workload_state() { echo "$(<"$STATUS") $(redis_data)"; }

workload_verify() { # EXPECTED
    local now
    status_goes_on counter "$1"
    check_eq "$(status_field state)" ok "the client's connection"
    check_eq "$(status_field gaps)" 0 "gaps in what the client counted"
    now=$(workload_state)
    for key in connection dbsize digest; do check_eq "$(field "$key" "$now")" "$(field "$key" "$1")" "$key"; done
}

workload_teardown() { rc delete --force "$ID"; }
