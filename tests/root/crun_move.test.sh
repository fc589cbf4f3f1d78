#!/usr/bin/env bash
# move-to-host and restore --lazy of containers of crun.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/crun.sh"
. "$TESTS_DIR/move.sh"

second_host_setup
move_back_setup

echo "== a counter, there and back"
new_container counter counter
before=$(counter_in "$STATUS")
expect_exit 0 move
goes_on "$THERE" "$before"
runs_there || fail "crun there does not say that $ID runs"
! rc list -q | grep -qx "$ID" || fail "crun here still has $ID"
before=$(counter_in "$THERE")
expect_exit 0 move_back
goes_on "$STATUS" "$before"
container_runs "$ID" || fail "crun here does not say that $ID runs"
! rc_b list -q | grep -qx "$ID" || fail "crun there still has $ID"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
rc delete --force "$ID"

echo "== 64 MiB that are written to all the time, which follow lazily"
new_container writer writer 64 20
before=$(counter_in "$STATUS")
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode stop-copy
[[ $OUT == *'"lazy": true'* || $OUT == *'"lazy":true'* ]] || fail "its memory did not follow: $OUT"
goes_on "$THERE" "$before"
memory_is_right "$THERE" "$(pid_b)"
expect_exit 0 move_back
stasis stateful-stop "$TARGET" >/dev/null
expect_exit 0 stasis --json restore "$TARGET" --lazy
[[ $OUT == *'"lazy": true'* || $OUT == *'"lazy":true'* ]] || fail "it was not lazy: $OUT"
memory_is_right "$STATUS" "$(container_pid "$ID")"
rc delete --force "$ID"
assert_no_leftovers
