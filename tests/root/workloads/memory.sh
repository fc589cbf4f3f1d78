# Random memory, compared by a checksum that its owner computes. WORKLOAD_MEMORY_MB: how much.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

workload_setup() {
    status_bundle memory /status "${WORKLOAD_MEMORY_MB:-1024}"
    status_start
}

workload_work() { status_work; }
workload_state() { cat "$STATUS"; }

workload_verify() { # EXPECTED
    local checks
    checks=$(status_field checks)
    kill -USR2 "$(container_pid "$ID")"
    wait_for 60 "a new checksum" status_differs checks "$checks"
    status_same "$1" work nonce sum
}

workload_teardown() { rc delete --force "$ID"; }
