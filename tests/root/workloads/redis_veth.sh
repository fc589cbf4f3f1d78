# redis in a network namespace that others made; the client with its one connection is outside.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"
. "$TESTS_DIR/redis.sh"
. "$TESTS_DIR/veth.sh"

workload_setup() {
    BUNDLE=$WORK/$ID.bundle
    veth_setup
    redis_outside
}

workload_work() { redis_work; }
workload_state() { echo "$(<"$STATUS") $(redis_data)"; }

workload_verify() { # EXPECTED
    local now key
    if ! $OUTSIDE_SURVIVES; then
        client_stop
        client_start redis 6379
    fi
    status_goes_on counter "$1"
    check_eq "$(status_field state)" ok "the client's connection"
    check_eq "$(status_field gaps)" 0 "gaps in what the client counted"
    now=$(workload_state)
    for key in dbsize digest; do check_eq "$(field "$key" "$now")" "$(field "$key" "$1")" "$key"; done
    ! $OUTSIDE_SURVIVES || status_same "$1" connection
}

workload_teardown() {
    client_stop
    rc delete --force "$ID"
}
