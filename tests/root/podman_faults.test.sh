#!/usr/bin/env bash
# Containers of podman, while kill -9 strikes CRIU and stasis.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/podman.sh"
. "$TESTS_DIR/faults.sh"
. "$TESTS_DIR/engine_faults.sh"

ENGINE=podman
line() { find_layer && cat "$LAYER/count"; }
has_state() { [ "$(pod_status)" = "$1" ]; }

arm() { # AT
    printf '#!/bin/sh\nexport FAULT_LOG=%s FAULT_CRIU=%s FAULT_AT=%s FAULT_KILL=criu\nexec %s/criu "$@"\n' \
        "$FAULT_LOG" "$FAULT_CRIU" "$1" "$FAULT_FOLDER" >"$WORK/around/criu"
}

new_container fault --network none --restart always -- sh -c "$COUNT"
wait_for 30 "$NAME to count" eval 'find_layer && [ -e "$LAYER/count" ]'
faults_of_stop running
faults_of_restore exited pre-restore:asked post-restore:asked pre-resume:asked
