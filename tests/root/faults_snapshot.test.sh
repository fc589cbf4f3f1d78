#!/usr/bin/env bash
# kill -9 of stasis, of CRIU, and of both, at every moment of a snapshot: the target runs on.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

snapshot_fault() { # VICTIMS AT
    local before state
    before=$(count)
    with_fault "$2" "FAULT_KILL=$1" -- snapshot "$TARGET" struck
    ! died_with_criu "$1" "$2" || return 0
    assert_runs "$before"
    state=$(state_of struck)
    case $1:$CODE in
        *stasis*:137) [[ $state =~ ^(|interrupted|sealed)$ ]] || fail "stasis was killed, the checkpoint is '$state'" ;;
        criu:1) check_eq "$state" "" "the checkpoint after a failure" ;;
        criu:0) check_eq "$state" sealed "the checkpoint after a success" ;;
        *) fail "exit code $CODE: $ERR" ;;
    esac
    assert_store
    assert_next_snapshot
    fault_says "target runs${state:+, checkpoint is $state}"
    forget_checkpoints
}

runc_target
for at in $(moments start pre-dump network-lock query-ext-files post-dump network-unlock end); do
    snapshot_fault stasis "$at"
    snapshot_fault criu "$at"
done
for at in network-lock:answered post-dump:asked post-dump:answered; do snapshot_fault "stasis criu" "$at"; done

echo "== a paused one"
rc pause "$ID"
for at in network-lock:asked post-dump:asked end:asked; do
    with_fault "$at" FAULT_KILL=criu -- snapshot "$TARGET" struck
    [[ $CODE =~ ^[01]$ ]] || fail "exit code $CODE: $ERR"
    check_eq "$(container_field "$ID" status)" paused "status after CRIU died at $at"
    [[ $CODE = 0 || $ERR == *"ran for a moment until it was paused again"* ]] || fail "no word of that it ran: $ERR"
    fault_says "target is paused"
done
rc resume "$ID"
assert_next_snapshot
rc delete --force "$ID"

tree_target
for at in $(moments start pre-dump query-ext-files post-dump end); do
    snapshot_fault stasis "$at"
    snapshot_fault criu "$at"
done
for at in query-ext-files:answered post-dump:answered; do snapshot_fault "stasis criu" "$at"; done

echo "== a task that is made after the look is in the manifest"
# shellcheck disable=SC2016
in_background setsid /bin/sh -c 'trap "sleep 100000 & echo \$! >$1" USR1; while :; do sleep 0.1; done' sh "$WORK/made"
TARGET=pid:$BACKGROUND
with_fault pre-dump:asked "FAULT_DO=kill -USR1 $BACKGROUND; until [ -s $WORK/made ]; do sleep 0.05; done" -- \
    snapshot "$TARGET" later
check_eq "$CODE" 0 "exit code ($ERR)"
track_pid "$(<"$WORK/made")"
grep -qE "\"pid\": ?$(<"$WORK/made")\b" "$STASIS_STORE/${TARGET/://}/later/manifest.json" ||
    fail "task $(<"$WORK/made") is not in the manifest"
faults_total 53
