#!/usr/bin/env bash
# kill -9 of CRIU, of crun and of stasis in the dump and in the restore of a container of crun: it runs on, or its
# stop state brings it back.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/crun.sh"
. "$TESTS_DIR/faults.sh"

echo "== in the dump"
runc_target
for fault in "criu network-lock:answered" "criu post-dump:asked" "stasis post-dump:asked" "stasis criu post-dump:answered"; do
    least=$(count)
    with_fault "${fault##* }" "FAULT_KILL=${fault% *}" -- stateful-stop "$TARGET"
    stop=$(newest_stop)
    [ "$CODE" != 1 ] || [ -z "$stop" ] || fail "exit code 1, and $stop is sealed"
    if ! target_alive; then
        [ -n "$stop" ] || fail "$TARGET is gone and nothing is sealed: $ERR"
        expect_exit 0 stasis restore "$TARGET"
    fi
    assert_next_snapshot
    assert_runs "$least"
    fault_says "it runs"
    forget_checkpoints
done

echo "== in the restore"
for fault in "criu pre-restore:asked" "crun setup-namespaces:asked" "criu post-restore:asked" "stasis crun criu post-restore:asked" \
    "stasis post-resume:asked"; do
    least=$(count)
    expect_exit 0 stasis stateful-stop "$TARGET"
    with_fault "${fault##* }" "FAULT_KILL=${fault% *}" -- restore "$TARGET"
    assert_store
    target_alive || expect_exit 0 stasis restore "$TARGET"
    assert_runs "$least"
    fault_says "it runs"
    [ ! -e "$BUNDLE/criu-root" ] || fail "crun's folder for a restore is left"
    assert_no_leftovers
    forget_checkpoints
done
faults_total 9
