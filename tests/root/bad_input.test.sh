#!/usr/bin/env bash
# Names, targets and stores that can't be worked with are refused with the right exit code, and the
# target goes on as if nothing had been asked; what happens to a target that dies in the middle.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

says() { grep -qE -- "$1" <<<"$ERR" || fail "'$1' is not in: $ERR"; }

# refused CODE TEXT ARG...: with a message that has TEXT, and the target runs on.
refused() {
    local before
    before=$(count)
    expect_exit "$1" stasis "${@:3}"
    says "$2"
    assert_runs "$before"
}

TREE=()
runc_target

echo "== names"
long=$(printf 'x%.0s' {1..201})
for name in ../x a/b .hidden '' / . .. -x lock x.partial failed-x 'a b' "$long" $'new\nline' $'\xff'; do
    refused 2 . snapshot "$TARGET" -- "$name"
    expect_exit 2 stasis restore "$TARGET" -- "$name"
    expect_exit 2 stasis delete "$TARGET" -- "$name"
done
for target in ../x runc:../x runc:a/b runc:.hidden runc: runc:-x runc:x/../y pid:../1 nobody:x :x; do
    expect_exit 2 stasis snapshot -- "$target"
    expect_exit 2 stasis restore -- "$target"
    expect_exit 2 stasis list -- "$target"
done
check_eq "$(find "$STASIS_STORE" -mindepth 1 ! -name lock ! -name "$ID" ! -name runc 2>/dev/null || true)" "" "what bad names left in the store"
check_eq "$(find "$WORK" -maxdepth 2 -name x -o -maxdepth 2 -name hidden)" "" "what bad names left beside the store"

echo "== targets that are not there"
for target in "nobody-$RUN" "runc:nobody-$RUN" pid:4194304 pid:0 pid:1x pid:00001 pid:99999999999; do
    expect_exit 4 stasis snapshot "$target"
    expect_exit 4 stasis restore "$target"
done
refused 4 "no checkpoint 'nothing'" restore "$TARGET" nothing
refused 4 'no stop state' restore "$TARGET"
refused 4 . delete "$TARGET" nothing
refused 4 . info "$TARGET" nothing
expect_exit 2 stasis stateful-stop
expect_exit 2 stasis no-such-command
expect_exit 4 stasis snapshot "nobody-$RUN" # still, after all those that failed

echo "== a name that means two targets"
in_background sleep 100000
number=$BACKGROUND
echo "$number" >>"$REGISTRY/ids"
make_bundle "$WORK/number"
start_container "$number" "$WORK/number"
refused 2 "runc:$number or pid:$number" snapshot "$number"
expect_exit 0 stasis snapshot "runc:$number"
rc delete --force "$number"

echo "== our own ancestor"
refused 1 ancestor snapshot "pid:$$"
refused 1 ancestor stateful-stop "pid:$$"

echo "== a name that is taken"
expect_exit 0 stasis snapshot "$TARGET" taken
refused 5 taken snapshot "$TARGET" taken
expect_exit 0 stasis snapshot "$TARGET" --dir "$WORK/taken"
refused 5 taken snapshot "$TARGET" --dir "$WORK/taken"
mkdir "$WORK/empty"
refused 5 empty snapshot "$TARGET" --dir "$WORK/empty"

echo "== not root"
setpriv --reuid 65534 --regid 65534 --clear-groups cp "$STASIS" "$WORK/stasis" 2>/dev/null || cp "$STASIS" "$WORK/stasis"
chmod 755 "$WORK/stasis"
for command in "snapshot $TARGET" "stateful-stop $TARGET" "restore $TARGET taken" list "delete $TARGET taken" verify; do
    # shellcheck disable=SC2086
    expect_exit 3 setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/stasis" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" $command
    says root
done

echo "== nobody else can read a checkpoint"
(umask 000 && stasis snapshot "$TARGET" open && stasis snapshot "$TARGET" --dir "$WORK/open") >/dev/null
cd / # where user 65534 may be
for folder in "$STASIS_STORE" "$WORK/open" "$WORK/taken"; do
    check_ge "$(find "$folder" -type f | wc -l)" 20 "files in $folder"
    find "$folder" -type f -print0 >"$WORK/files"
    readable=$(xargs -0 -a "$WORK/files" setpriv --reuid 65534 --regid 65534 --clear-groups sh -c '
        for file; do ! head -c 1 "$file" >/dev/null 2>&1 || echo "$file"; done' sh)
    check_eq "$readable" "" "what user 65534 can read"
done
find "$STASIS_STORE" "$WORK/open" -path '*/rootfs' -prune -o -type f -perm /022 -print >"$WORK/writable"
check_eq "$(cat "$WORK/writable")" "" "files that others may write to"

echo "== a store that others can enter"
chmod 755 "$STASIS_STORE"
refused 3 'chmod 700' snapshot "$TARGET"
chmod 700 "$STASIS_STORE"

echo "== a store that can't be written"
REAL_STORE=$STASIS_STORE SMALL=$WORK/small
mkdir "$SMALL"
mount -t tmpfs -o size=4M,mode=0700 tmpfs "$SMALL"
STASIS_STORE=$SMALL/store
refused 1 'MiB left' snapshot "$TARGET"
refused 1 'MiB left' stateful-stop "$TARGET"
mount -o remount,size=64M "$SMALL"
expect_exit 0 stasis snapshot "$TARGET" before
mount -o remount,ro "$SMALL"
refused 1 '[Rr]ead-only' snapshot "$TARGET"
refused 1 '[Rr]ead-only' stateful-stop "$TARGET"
expect_exit 0 stasis list "$TARGET"
grep -q 'before.*sealed' <<<"$OUT" || fail "a read-only store is not listed: $OUT"
expect_exit 0 stasis verify "$TARGET" before
umount "$SMALL"
STASIS_STORE=$WORK/file
echo >"$STASIS_STORE"
refused 1 . snapshot "$TARGET"
STASIS_STORE=/proc/store
refused 1 . snapshot "$TARGET"
STASIS_STORE=$BUNDLE/rootfs/store
refused 1 'inside the root file system' snapshot "$TARGET"
rm -rf "$BUNDLE/rootfs/store"
STASIS_STORE=$REAL_STORE
assert_no_leftovers
forget_checkpoints

echo "== two runs at once"
# While the first one stands still at pre-dump the others are turned away.
other_store="$STASIS --store $WORK/other-store --runc-root $RUNC_ROOT"
own_store="$STASIS --store $STASIS_STORE --runc-root $RUNC_ROOT"
export STASIS_CRIU_REAL=$FAULT_CRIU
with_fault pre-dump:asked "FAULT_DO=
    export STASIS_CRIU=$FAULT_CRIU
    $own_store list $TARGET
    for store in '$own_store' '$other_store'; do
        for command in 'snapshot $TARGET' 'snapshot $TARGET first' 'stateful-stop $TARGET' 'restore $TARGET first --replace' 'delete $TARGET first'; do
            \$store \$command; echo code \$?
        done
    done" -- snapshot "$TARGET" first
check_eq "$CODE" 0 "exit code of the first run"
check_eq "$(grep -c '^code 5$' "$FAULT_LOG.do")" 10 "runs turned away: $(<"$FAULT_LOG.do")"
grep -q 'first.*writing' "$FAULT_LOG.do" || fail "not listed as being written: $(<"$FAULT_LOG.do")"
check_eq "$(checkpoints)" "first sealed snapshot" "checkpoints"

echo "== a dead run's CRIU still has to roll back"
with_fault network-lock:asked FAULT_KILL=stasis "FAULT_DO=
    export STASIS_CRIU=$FAULT_CRIU
    $own_store snapshot $TARGET second; echo code \$?" -- snapshot "$TARGET" struck
grep -qx 'code 5' "$FAULT_LOG.do" || fail "a second run began while CRIU still held the target: $(<"$FAULT_LOG.do")"
assert_runs 1
assert_next_snapshot
forget_checkpoints

echo "== the target dies in the middle"
for at in pre-dump:asked pre-dump:answered network-lock:answered; do
    for command in "snapshot $TARGET struck" "stateful-stop $TARGET"; do
        # shellcheck disable=SC2086
        with_fault "$at" "FAULT_DO=kill -KILL $(container_pid "$ID")" -- $command
        check_eq "$CODE" 7 "exit code when the target dies at $at ($ERR)"
        check_eq "$(checkpoints)" "" "checkpoints"
        wait_for 10 "the container's end" eval '! container_runs "$ID"'
        rc delete --force "$ID"
        assert_no_leftovers
        start_container "$ID" "$BUNDLE"
        wait_for 10 "a new counter" counter_is_not "${COUNTERS[0]}" "$(count)"
    done
done
NONCE=$(field nonce "$(<"${COUNTERS[0]}")")

echo "   … after all of its state was written"
with_fault post-dump:asked "FAULT_DO=kill -KILL $(container_pid "$ID")" -- stateful-stop "$TARGET"
check_eq "$CODE" 0 "exit code when the target dies at post-dump ($ERR)"
before=$(count)
expect_exit 0 stasis restore "$TARGET"
assert_runs "$before"
assert_no_leftovers
