#!/usr/bin/env bash
# Containers of LXC, while kill -9 strikes CRIU and stasis.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/lxc.sh"
. "$TESTS_DIR/faults.sh"
. "$TESTS_DIR/engine_faults.sh"

ENGINE=lxc
line() { cat "$ROOTFS/count"; }
has_state() { [ "$(lxc_state)" = "$1" ]; }

# lxc-checkpoint starts CRIU by its command line.
arm() { # ACTION
    printf '#!/bin/sh\n[ "$1" != restore ] || set -- "$@" --action-script %s\nexec %s "$@"\n' \
        "$WORK/around/strike" "$FAULT_CRIU" >"$WORK/around/criu"
    printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != %s ] || { echo fired >%s; kill -KILL "$PPID"; }\n' \
        "$1" "$FAULT_LOG" >"$WORK/around/strike"
}

new_container fault "$COUNT"
wait_for 10 "$NAME counts" test -s "$ROOTFS/count"
faults_of_stop RUNNING
faults_of_restore STOPPED pre-restore setup-namespaces post-restore pre-resume
