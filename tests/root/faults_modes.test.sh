#!/usr/bin/env bash
# The faults of a snapshot and of a stop in every way that memory is written: as an increment, compressed, by CRIU
# itself, and behind a target that runs again. Afterwards the target goes on with its memory as it was, or a sealed
# checkpoint brings it back, and what was sealed before still restores.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/workloads/memory.sh"
. "$TESTS_DIR/faults.sh"

ID=$(unique_id modes) TARGET=runc:$ID TREE=()
export WORKLOAD_MEMORY_MB=40
workload_setup

mode() { # NAME ARG...: of the commands that follow
    KIND=$1 HOW=("${@:2}")
    echo "== $KIND"
}

# assert_goes_on STATE: with its memory; where it is gone, from the stop state.
assert_goes_on() {
    OUTCOME="target runs"
    if ! target_alive; then
        local stop
        stop=$(newest_stop)
        [ -n "$stop" ] || fail "$TARGET is gone and nothing is sealed: $ERR"
        expect_exit 0 stasis restore "$TARGET"
        OUTCOME="restored from $stop"
    fi
    workload_verify "$1"
    wait_for 10 "its tasks to be let go" is_let_go "$(container_pid "$ID")"
}

# struck COMMAND AT SETTING...: a fault in a run of COMMAND (`snapshot $TARGET struck` or a stop) in this mode.
struck() {
    local before state
    workload_work # some of the memory is not what `base` has
    before=$(workload_state)
    # shellcheck disable=SC2086
    with_fault "$2" "${@:3}" -- $1 "${HOW[@]}"
    assert_store
    state=$(checkpoints | awk '$1 != "base" { print $2 }')
    case $CODE in
        0) check_eq "$state" sealed "the checkpoint after a success" ;;
        1) check_eq "$state" "" "the checkpoint after a failure" ;;
        7 | 137) [[ $state =~ ^(|interrupted|sealed)$ ]] || fail "exit code $CODE, the checkpoint is '$state'" ;;
        *) fail "exit code $CODE: $ERR" ;;
    esac
    assert_goes_on "$before"
    fault_says "$OUTCOME${state:+, checkpoint is $state}"
    if [ "$state" = sealed ] && [ "${1%% *}" = snapshot ]; then
        workload_work
        expect_exit 0 stasis restore "$TARGET" struck --replace
        workload_verify "$before"
    fi
    assert_next_snapshot
    forget_checkpoints base
}

kills() { # COMMAND [MOMENT...]
    local at moments=("${@:2}")
    [ $# != 1 ] || moments=(network-lock:done post-dump:asked post-dump:answered end:asked)
    for at in "${moments[@]}"; do
        struck "$1" "$at" FAULT_KILL=stasis
        struck "$1" "$at" FAULT_KILL=criu
    done
    struck "$1" post-dump:answered "FAULT_KILL=stasis criu"
}

# In the time in which the memory is written, or sealed.
later() { # SECONDS
    struck "snapshot $TARGET struck" end:asked "FAULT_DO=(sleep $1; ! grep -qs stasis /proc/\$STASIS_PID/comm || kill -KILL \$STASIS_PID) >/dev/null 2>&1 &"
}

full_store() { # COMMAND
    local before
    small_store 128M
    cp -a "$REAL_STORE" "$SMALL/store"
    before=$(workload_state)
    # shellcheck disable=SC2086
    with_fault post-dump:asked "FAULT_DO=$fill" -- $1 "${HOW[@]}"
    VICTIM="no space"
    check_eq "$CODE" 1 "exit code ($ERR)"
    grep -q "[Nn]o space left" <<<"$ERR" || fail "the cause is not named: $ERR"
    assert_goes_on "$before"
    check_eq "$(checkpoints | awk '{ print $1 }')" base "checkpoints"
    fault_says "$OUTCOME"
    rm "$SMALL/filler"
    expect_exit 0 stasis snapshot "$TARGET" next
    expect_exit 0 stasis verify "$TARGET" next
    no_small_store
    assert_no_leftovers
}

expect_exit 0 stasis snapshot "$TARGET" base
BASE=$(workload_state)

mode increment
kills "snapshot $TARGET struck"
full_store "snapshot $TARGET struck"
mode "increment, stop"
kills "stateful-stop $TARGET"
full_store "stateful-stop $TARGET"

# Where it differs from the above: in the freeze, and in what is written after it.
mode compressed --full --compress zstd
kills "snapshot $TARGET struck" post-dump:asked end:asked
mode "compressed hard" --full --compress zstd:15
for seconds in 0.1 0.3 0.6 1; do later "$seconds"; done
full_store "snapshot $TARGET struck"
mode "compressed, stop" --full --compress lz4
kills "stateful-stop $TARGET" post-dump:asked post-dump:answered

mode "full, written while it runs" --full
for seconds in 0.02 0.05 0.1; do later "$seconds"; done
mode "buffer exhausted" --full --buffer 1M
kills "snapshot $TARGET struck" post-dump:asked end:asked
mode "written by CRIU" --buffer 0
kills "snapshot $TARGET struck" post-dump:asked end:asked

echo "== what was there before is whole"
expect_exit 0 stasis verify "$TARGET" base
expect_exit 0 stasis restore "$TARGET" base --replace
workload_verify "$BASE"

echo "== the parent goes away in the middle"
mode "increment without its parent"
for at in start:asked pre-dump:answered post-dump:asked; do
    expect_exit 0 stasis snapshot "$TARGET" parent --full
    struck "snapshot $TARGET struck" "$at" "FAULT_DO=rm -rf $STASIS_STORE/runc/$ID/parent"
    check_eq "$CODE" 0 "exit code of a snapshot whose parent goes away ($ERR)"
done
faults_total 50
workload_teardown
assert_no_leftovers
