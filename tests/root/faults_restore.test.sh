#!/usr/bin/env bash
# kill -9 of stasis, of CRIU, of runc and of all, at every notification of a restore: afterwards the
# target runs, or the next restore brings it back.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

# restore_fault VICTIMS AT [RESTORE-ARG...]: the stop state that is restored is $STOP, made at $AT_STOP.
restore_fault() {
    local outcome victims=$1 at=$2
    shift 2
    with_fault "$at" "FAULT_KILL=$victims" -- restore "$TARGET" "$@"
    assert_store
    check_eq "$(state_of "$STOP")" sealed "the checkpoint after a restore that failed"
    if target_alive; then
        [[ $CODE =~ ^(0|137)$ ]] || fail "exit code $CODE, and the target runs: $ERR"
        outcome="target runs"
    else
        [[ $CODE =~ ^(1|7|137)$ ]] || fail "exit code $CODE, and the target does not run: $ERR"
        expect_exit 0 stasis restore "$TARGET"
        outcome="restored from $STOP"
    fi
    track_tree
    assert_runs "$AT_STOP"
    fault_says "$outcome"
    stop_again
}

# A fresh stop state, the only one.
stop_again() {
    local old=${STOP:-}
    AT_STOP=$(count)
    expect_exit 0 stasis stateful-stop "$TARGET"
    STOP=$(newest_stop)
    assert_no_leftovers
    forget_checkpoints "$STOP"
    [ "$STOP" != "$old" ] || fail "no new stop state"
}

TREE=()
runc_target
stop_again
for point in pre-restore setup-namespaces post-setup-namespaces post-restore network-unlock pre-resume post-resume; do
    for victim in criu stasis runc; do restore_fault "$victim" "$point:asked"; done
    restore_fault criu "$point:answered"
done
for at in start:asked end:asked; do
    for victim in criu stasis; do restore_fault "$victim" "$at"; done
done
for at in setup-namespaces:asked post-restore:asked; do restore_fault "stasis runc criu" "$at"; done
expect_exit 0 stasis restore "$TARGET"
rc delete --force "$ID"

tree_target
STOP=
stop_again
for point in pre-restore post-restore pre-resume post-resume; do
    for victim in criu stasis; do restore_fault "$victim" "$point:asked"; done
    restore_fault criu "$point:answered"
done
for at in start:asked end:asked; do
    for victim in criu stasis; do restore_fault "$victim" "$at"; done
done
expect_exit 0 stasis restore "$TARGET"
track_tree
faults_total 40
