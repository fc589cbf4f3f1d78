#!/usr/bin/env bash
# A store that fills up or vanishes in the middle: the target runs on, the next run works.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

# store_fault WHAT AT DO EXPECTED-TEXT COMMAND...: the target runs, and a snapshot into the same store
# works once there is room again.
store_fault() {
    local before
    before=$(count)
    with_fault "$2" "FAULT_DO=$3" -- "${@:5}"
    VICTIM=$1
    check_eq "$CODE" 1 "exit code ($ERR)"
    grep -qE "$4" <<<"$ERR" || fail "the cause is not named ('$4'): $ERR"
    assert_runs "$before"
    check_eq "$(checkpoints)" "" "checkpoints after a failure"
    fault_says "target runs"
    rm -rf "$SMALL/filler" "$BUNDLE/rootfs/data/grown"
    expect_exit 0 stasis snapshot "$TARGET" next
    expect_exit 0 stasis verify "$TARGET" next
    check_eq "$(find "$STASIS_STORE" -name '*.partial' -o -name 'failed-*')" "" "remains of the fault"
    no_small_store
    assert_no_leftovers
}

TREE=()
runc_target

echo "== no space left"
head -c 40M /dev/urandom >"$BUNDLE/rootfs/data/large"
small_store 32M
rm_large="rm $BUNDLE/rootfs/data/large" # only what is too large for the store keeps the next snapshot from working
before=$(count)
with_fault never -- snapshot "$TARGET" struck
VICTIM="the first pass finds" WHERE="no space"
check_eq "$CODE" 1 "exit code ($ERR)"
assert_runs "$before"
check_eq "$(checkpoints)" "" "checkpoints after a failure"
fault_says "target runs"
$rm_large
expect_exit 0 stasis snapshot "$TARGET" next
no_small_store
assert_no_leftovers

for command in "snapshot $TARGET struck" "stateful-stop $TARGET"; do
    # shellcheck disable=SC2086
    {
        small_store 32M
        store_fault "no space for images" pre-dump:answered "$fill" '[Nn]o space left' $command
        small_store 32M
        store_fault "no space for the second pass" pre-dump:answered "head -c 40M /dev/urandom >$BUNDLE/rootfs/data/grown" '[Nn]o space left' $command
        small_store 32M
        store_fault "no space to seal" post-dump:asked "$fill" '[Nn]o space left' $command
    }
done

echo "== the store vanishes"
for command in "snapshot $TARGET struck" "stateful-stop $TARGET"; do
    # shellcheck disable=SC2086
    for at in pre-dump:asked pre-dump:answered post-dump:asked; do
        small_store 32M
        store_fault "the store deleted" "$at" "rm -rf $SMALL/store" . $command
        small_store 32M
        store_fault "the store unmounted" "$at" "umount -l $SMALL" . $command
    done
done
small_store 32M
store_fault "the store deleted" post-dump:answered "rm -rf $SMALL/store" . snapshot "$TARGET" struck

echo "== the store vanishes in a restore"
for at in start:asked pre-restore:answered setup-namespaces:asked; do
    before=$(count)
    expect_exit 0 stasis stateful-stop "$TARGET"
    stop=$(newest_stop)
    cp -a "$STASIS_STORE" "$WORK/backup"
    with_fault "$at" "FAULT_DO=rm -rf $STASIS_STORE" -- restore "$TARGET"
    VICTIM="the store deleted"
    rm -rf "$STASIS_STORE"
    mv "$WORK/backup" "$STASIS_STORE"
    if target_alive; then
        check_eq "$CODE" 0 "exit code ($ERR)"
        outcome="target runs"
    else
        check_eq "$CODE" 1 "exit code ($ERR)"
        expect_exit 0 stasis restore "$TARGET"
        outcome="restored from $stop"
    fi
    assert_runs "$before"
    fault_says "$outcome"
    assert_no_leftovers
    forget_checkpoints
done
faults_total 20
