#!/usr/bin/env bash
# kill -9 of CRIU and of stasis while a container of LXC stands still: it runs on, or a sealed stop state
# brings it back from where it was.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/lxc.sh"
. "$TESTS_DIR/faults.sh"

count() { cut -d' ' -f2 "$ROOTFS/count"; }
nonce() { cut -d' ' -f1 "$ROOTFS/count"; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }
runs() { [ "$(lxc_state)" = RUNNING ]; }
stop_state() { basename "$(find "$STASIS_STORE/lxc/$NAME" -maxdepth 1 -name 'stop-*' ! -name '*.partial')"; }

# shellcheck disable=SC2016
new_container fault \
    'n=$(cat /proc/sys/kernel/random/uuid); i=0; while :; do i=$((i+1)); echo $n $i >/new; mv /new /count; sleep 0.05; done'
wait_for 10 "$NAME counts" test -s "$ROOTFS/count"
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
        rm -rf "${STASIS_STORE:?}/lxc/$NAME"
        assert_no_leftovers
    done
done
