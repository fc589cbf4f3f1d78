# Deleted files, shared memory, locks, unix sockets, a file written through a mapping all the time.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

workload_setup() {
    status_bundle files /status /data
    status_start
}

workload_work() { status_work; }
workload_state() { cat "$STATUS"; }

workload_verify() { # EXPECTED
    local key
    for key in counter echoes sequence; do status_goes_on "$key" "$1"; done
    check_eq "$(status_field errors)" none "what is broken after $(status_field counter) rounds"
    status_same "$1" work nonce
}

workload_teardown() { rc delete --force "$ID"; }
