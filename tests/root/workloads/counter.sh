# A counter in memory that writes down how far it got: the simplest container.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

workload_setup() {
    status_bundle counter /status
    status_start
}

workload_work() { status_work; }
workload_state() { cat "$STATUS"; }

workload_verify() { # EXPECTED
    status_goes_on counter "$1"
    status_same "$1" work nonce
    check_eq "$(status_field backwards)" 0 "steps back of the monotonic clock"
}

workload_teardown() { rc delete --force "$ID"; }
