# Sourced after common.sh and bundle.sh by the tests of moves: a container that counts, and where it is.
# shellcheck shell=bash
. "$TESTS_DIR/second_host.sh"

# new_container KIND PROGRAM [ARG...]: its status is in $STATUS here and, when it has moved, in $THERE.
# shellcheck disable=SC2034
new_container() {
    ID=$(unique_id "$1") TARGET=$RUNTIME:$ID
    BUNDLE=$SRV/$ID STATUS=$BUNDLE/rootfs/status THERE=$HOST_B/srv/$ID/rootfs/status
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" "$2"
    bundle_args "$BUNDLE" "/bin/$2" /status "${@:3}"
    start_container "$ID" "$BUNDLE"
    wait_for 30 "the status of $ID" test -s "$STATUS"
    NONCE=$(field nonce "$(<"$STATUS")")
}

# The way from the second host to this one: only processes that are not its own say where this one's namespaces are.
move_back_setup() { way_back "$STASIS --store $STASIS_STORE $ROOTS"; }

# shellcheck disable=SC2086
stasis_b() { in_host_b "$STASIS" --store "$STASIS_STORE" $ROOTS "$@"; }
move_back() { stasis_b move-to-host "$TARGET" a "${BACK[@]}" "$@"; } # OPTION...
pid_b() { rc_b state "$ID" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }

# memory_is_right STATUS PID: a writer's whole memory is as it must be.
memory_is_right() {
    local checks
    checks=$(($(field checks "$(<"$1")") + 1))
    kill -USR1 "$2"
    wait_for 60 "a look at all its memory" has_checked "$1" "$checks"
    check_eq "$(field wrong "$(<"$1")")" 0 "wrong pages of $TARGET"
}
has_checked() { [ "$(field checks "$(<"$1")")" -ge "$2" ]; }

move() { stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"; }
counter_in() { field counter "$(<"$1")"; }
counts_beyond() { [ "$(counter_in "$1")" -gt "$2" ]; }
runs_there() { rc_b list -q | grep -qx "$ID" && [ "$(rc_b state "$ID" | grep -c '"status": "running"')" = 1 ]; }

# goes_on STATUS LEAST: the same process as ever counts, from no earlier than LEAST; it is neither stopped nor traced.
goes_on() {
    local pid
    wait_for 10 "$TARGET to count in $1" counts_beyond "$1" "$(counter_in "$1")"
    check_ge "$(counter_in "$1")" "$2" "counter of $TARGET"
    check_eq "$(field nonce "$(<"$1")")" "$NONCE" "nonce of $TARGET"
    wait_for 10 "nothing but one task of $TARGET" has_one_task "$ID"
    for pid in $(container_tasks "$ID"); do wait_for 5 "task $pid to be neither stopped nor traced" is_let_go "$pid"; done
}

is_let_go() { # PID
    local status
    status=$(cat "/proc/$1/status") && [[ ! $status =~ State:.[tT] && $status =~ TracerPid:.0 ]]
}

no_checkpoints() { [ -z "$(find "$1" -mindepth 3 -maxdepth 3 ! -name lock ! -name .move.json ! -name 'failed-*')" ]; } # STORE

# Nothing of a move that did not come to its end is left on the second host.
nothing_there() {
    ! rc_b list -q | grep -qx "$ID" || fail "the second host has $ID"
    no_checkpoints "$HOST_B/store" || fail "left in its store: $(find "$HOST_B/store")"
    check_eq "$(find "$HOST_B/store" -name .move.json)" "" "records of moves on the second host"
    check_eq "$(ls "$HOST_B/srv")" "" "files on the second host"
}
