#!/usr/bin/env bash
# kill -9 of stasis, of CRIU, and of both, at every moment of a stateful-stop: afterwards the target
# runs on, or a sealed checkpoint brings it back from where it was.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

target_gone() { ! target_alive; }

stop_fault() { # VICTIMS AT
    local before stop outcome
    before=$(count)
    with_fault "$2" "FAULT_KILL=$1" -- stateful-stop "$TARGET"
    assert_store
    stop=$(newest_stop)
    ! died_with_criu "$1" "$2" || return 0
    case $1:$CODE in
        *stasis*:137) ;;
        criu:1)
            check_eq "$stop" "" "the stop state after a failure"
            target_alive || fail "exit code 1, and the target is gone: $ERR"
            ;;
        criu:0 | criu:7)
            [ -n "$stop" ] || fail "exit code $CODE without a stop state: $ERR"
            wait_for 10 "the target's end" target_gone
            ;;
        *) fail "exit code $CODE: $ERR" ;;
    esac
    if target_alive; then
        outcome="target runs${stop:+, $stop is sealed as well}"
    else
        [ -n "$stop" ] || fail "$TARGET is gone and nothing is sealed: $ERR"
        expect_exit 0 stasis restore "$TARGET"
        track_tree
        outcome="restored from $stop"
    fi
    assert_runs "$before"
    assert_next_snapshot
    fault_says "$outcome"
    forget_checkpoints
}

TREE=()
runc_target
for at in $(moments start pre-dump network-lock query-ext-files post-dump end); do
    stop_fault stasis "$at"
    stop_fault criu "$at"
done
for at in network-lock:answered post-dump:asked post-dump:answered; do stop_fault "stasis criu" "$at"; done

echo "== what ran on after its state was sealed is not put back by restore --all"
with_fault post-dump:answered "FAULT_KILL=stasis criu" -- stateful-stop --all
STOP=$(newest_stop)
[ -n "$STOP" ] || fail "nothing was sealed: $ERR"
assert_runs 0
RAN_TO=$(count)
rc kill "$ID" KILL
wait_for 10 "the target's end" target_gone
expect_exit 1 stasis restore --all
[[ $ERR == *"was killed before it had ended"*"may have run since"* ]] || fail "what is said: $ERR"
check_ge "$(count)" "$RAN_TO" "its files"
expect_exit 0 stasis restore "$TARGET"
fault_says "restored by hand alone"
rc delete --force "$ID"

tree_target
for at in $(moments start pre-dump query-ext-files post-dump end); do
    stop_fault stasis "$at"
    stop_fault criu "$at"
done
for at in query-ext-files:answered post-dump:answered; do stop_fault "stasis criu" "$at"; done
faults_total 46
