# Sourced after common.sh, an engine's file and faults.sh by the fault tests of that engine, which is $ENGINE. The
# container $NAME writes what it holds in memory, a nonce and a count, to /count of its root file system. The test has
# `line`, which prints that, and `has_state STATE`.
# shellcheck shell=bash

nonce() { line | cut -d' ' -f1; }
count() { line | cut -d' ' -f2; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }
stop_state() { basename "$(find "$STASIS_STORE/$ENGINE/$NAME" -maxdepth 1 -name 'stop-*' ! -name '*.partial')"; }
# shellcheck disable=SC2016,SC2034
COUNT='n=$(cat /proc/sys/kernel/random/uuid); i=0
while :; do i=$((i+1)); echo $n $i >/new; mv /new /count; sleep 0.05; done'

# goes_on LEAST NONCE: it is the same, and counts on; then the store is empty again.
goes_on() {
    wait_for 30 "$NAME counts on" counts_beyond "$1"
    check_eq "$(nonce)" "$2" "what it holds in memory"
    rm -rf "${STASIS_STORE:?}/$ENGINE/$NAME"
    assert_no_leftovers
}

# kill -9 while the container stands still: it runs on, or a sealed stop state brings it back from where it was.
faults_of_stop() { # RUNNING: the state in which it runs
    local at victim before same stop
    for at in network-lock:answered post-dump:asked post-dump:answered; do
        for victim in criu stasis "stasis criu"; do
            wait_for 10 "$NAME counts" counts_beyond 3
            before=$(count) same=$(nonce)
            with_fault "$at" "FAULT_KILL=$victim" -- stateful-stop "$NAME"
            echo "$victim at $at: exit code $CODE"
            stop=$(stop_state)
            [ "$CODE" != 1 ] || [ -z "$stop" ] || fail "exit code 1, and $stop is sealed"
            wait_for 20 "the end of what was killed" no_tools_left
            if ! has_state "$1"; then
                [ -n "$stop" ] || fail "$NAME is gone and nothing is sealed: $ERR"
                expect_exit 0 stasis restore "$NAME"
            fi
            # A dump finds and ends what a killed one has left.
            stasis snapshot "$NAME" next >/dev/null
            goes_on "$before" "$same"
        done
    done
}

# A restore whose CRIU dies harms no checkpoint: the next one brings the container back. The engine hands no environment
# on, so `arm MOMENT` makes a program around CRIU, $WORK/around/criu, whose CRIU dies then.
faults_of_restore() { # STOPPED MOMENT...
    local at before same stopped=$1
    mkdir "$WORK/around"
    wait_for 30 "$NAME counts" counts_beyond 3
    for at in "${@:2}"; do
        same=$(nonce)
        expect_exit 0 stasis stateful-stop "$NAME"
        before=$(cut -d' ' -f2 "$STASIS_STORE/$ENGINE/$NAME/$(stop_state)/rootfs/count")
        arm "$at"
        chmod +x "$WORK/around"/*
        rm -f "$FAULT_LOG"
        STASIS_CRIU=$WORK/around/criu expect_exit 1 stasis restore "$NAME"
        grep -qx fired "$FAULT_LOG" || fail "nothing happened at $at: $ERR"
        echo "criu at $at of a restore"
        wait_for 30 "the end of what was killed" no_tools_left
        has_state "$stopped" || fail "it is not $stopped after a restore whose CRIU died at $at"
        expect_exit 0 stasis verify "$NAME"
        expect_exit 0 stasis restore "$NAME"
        goes_on "$before" "$same"
    done
}
