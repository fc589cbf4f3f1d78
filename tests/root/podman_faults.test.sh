#!/usr/bin/env bash
# kill -9 of CRIU and of stasis while a container of podman stands still: it runs on, or a sealed stop state
# brings it back from where it was.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/podman.sh"
. "$TESTS_DIR/faults.sh"

count() { in_pod cut -d' ' -f2 /count; }
nonce() { in_pod cut -d' ' -f1 /count; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }
runs() { [ "$(pod_status)" = running ]; }
stop_state() { basename "$(find "$STASIS_STORE/podman/$NAME" -maxdepth 1 -name 'stop-*' ! -name '*.partial')"; }

# shellcheck disable=SC2016
new_container fault --network none --restart always -- \
    sh -c 'n=$(cat /proc/sys/kernel/random/uuid); i=0; while :; do i=$((i+1)); echo $n $i >/new; mv /new /count; sleep 0.05; done'
for at in network-lock:answered post-dump:asked post-dump:answered; do
    for victim in criu stasis "stasis criu"; do
        wait_for 10 "$NAME counts" counts_beyond 3
        before=$(count) same=$(nonce)
        with_fault "$at" "FAULT_KILL=$victim" -- stateful-stop "$NAME"
        echo "$victim at $at: exit code $CODE"
        stop=$(stop_state)
        [ "$CODE" != 1 ] || [ -z "$stop" ] || fail "exit code 1, and $stop is sealed"
        wait_for 20 "the end of what was killed" no_tools_left
        if ! runs; then
            [ -n "$stop" ] || fail "$NAME is gone and nothing is sealed: $ERR"
            expect_exit 0 stasis restore "$NAME"
        fi
        # A dump finds and ends what a killed one has left.
        stasis snapshot "$NAME" next >/dev/null
        wait_for 10 "$NAME counts on" counts_beyond "$before"
        check_eq "$(nonce)" "$same" "what it holds in memory"
        rm -rf "${STASIS_STORE:?}/podman/$NAME"
        assert_no_leftovers
    done
done

# A restore whose CRIU dies harms no checkpoint: the next one brings the container back. podman hands no environment on,
# so the faulty CRIU is told by a program around it.
mkdir "$WORK/around"
faulty_criu() { # AT
    printf '#!/bin/sh\nexport FAULT_LOG=%s FAULT_CRIU=%s FAULT_AT=%s FAULT_KILL=criu\nexec %s/criu "$@"\n' \
        "$FAULT_LOG" "$FAULT_CRIU" "$1" "$FAULT_FOLDER" >"$WORK/around/criu"
    chmod +x "$WORK/around/criu"
    rm -f "$FAULT_LOG"
}
wait_for 30 "$NAME counts" counts_beyond 3
for at in pre-restore:asked post-restore:asked pre-resume:asked; do
    same=$(nonce)
    expect_exit 0 stasis stateful-stop "$NAME"
    before=$(cut -d' ' -f2 "$STASIS_STORE/podman/$NAME/$(stop_state)/rootfs/count")
    faulty_criu "$at"
    STASIS_CRIU=$WORK/around/criu expect_exit 1 stasis restore "$NAME"
    grep -qx fired "$FAULT_LOG" || fail "nothing happened at $at: $ERR"
    wait_for 30 "the end of what was killed" no_tools_left
    check_eq "$(pod_status)" exited "after a restore whose CRIU died at $at"
    expect_exit 0 stasis verify "$NAME"
    expect_exit 0 stasis restore "$NAME"
    wait_for 30 "$NAME counts on" counts_beyond "$before"
    check_eq "$(nonce)" "$same" "what it holds in memory"
    rm -rf "${STASIS_STORE:?}/podman/$NAME"
    assert_no_leftovers
done
