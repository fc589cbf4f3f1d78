# Sourced after bundle.sh: containers that count, and their way through a snapshot, a stop, and back.
# shellcheck shell=bash

# count [BUNDLE]: how far its process is, or was when a checkpoint kept its files.
count() {
    local status=${1:-$BUNDLE}/rootfs/tmp/status
    if [ -e "$status" ]; then field counter "$(<"$status")"; else echo 0; fi
}
counts_beyond() { [ "$(count)" -gt "$1" ]; }

# new_container KIND: a bundle in $BUNDLE whose process counts in memory and writes the count to a file.
new_container() {
    ID=$(unique_id "$1")
    BUNDLE=$WORK/$1
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" counter
    bundle_args "$BUNDLE" /bin/counter /tmp/status 50
}

# cycle [RESTORE-OPTION...]: snapshot, go on, back to the snapshot, stop with state, restore.
cycle() {
    local before after
    wait_for 10 "$ID counts" counts_beyond 3
    stasis snapshot "$RUNTIME:$ID" s1
    before=$(count "$STASIS_STORE/$RUNTIME/$ID/s1")
    wait_for 10 "$ID goes on after its snapshot" counts_beyond $((before + 20))
    stasis restore "$RUNTIME:$ID" s1 --replace "$@"
    after=$(count)
    [ "$after" -lt $((before + 20)) ] || fail "restored at $after, the snapshot was made at $before"
    wait_for 10 "$ID counts on from the snapshot" counts_beyond "$before"
    stop_and_restore "$@"
}

stop_and_restore() {
    local before
    stasis stateful-stop "$RUNTIME:$ID"
    ! container_runs "$ID" || fail "$ID still runs"
    before=$(count)
    stasis restore "$RUNTIME:$ID" "$@"
    wait_for 10 "$ID counts on from its stop state" counts_beyond "$before"
    [ "$(count)" -lt $((before + 1000)) ] || fail "the count jumped"
    rc list | grep "^$ID .*running" >/dev/null || fail "$RUNTIME does not list $ID as running"
}
