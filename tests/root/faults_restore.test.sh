#!/usr/bin/env bash
# kill -9 of stasis, of CRIU, of runc and of all, at every notification of a restore: afterwards the
# target runs, or the next restore brings it back.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

# restore_fault VICTIMS AT [RESTORE-ARG...]: the stop state that is restored is $STOP, made at $AT_STOP.
restore_fault() {
    local outcome victims=$1 at=$2
    shift 2
    with_fault "$at" "FAULT_KILL=$victims" -- restore "$TARGET" "$@"
    assert_store
    check_eq "$(state_of "$STOP")" sealed "the checkpoint after a restore that failed"
    if [ -n "${HALF_MADE:-}" ]; then
        # Nobody was left to clear it away, and its runtime takes it for running.
        expect_exit 5 stasis restore "$TARGET"
        files_as_they_were
        expect_exit 0 stasis restore "$TARGET" --replace
        outcome="restored from $STOP with --replace"
    elif target_alive; then
        [[ $CODE =~ ^(0|137)$ ]] || fail "exit code $CODE, and the target runs: $ERR"
        outcome="target runs"
    else
        [[ $CODE =~ ^(1|7|137)$ ]] || fail "exit code $CODE, and the target does not run: $ERR"
        files_as_they_were
        expect_exit 0 stasis restore "$TARGET"
        outcome="restored from $STOP"
    fi
    track_tree
    assert_runs "$AT_STOP"
    fault_says "$outcome"
    stop_again
}

# A tree's files are the host's: what it renamed, when it lived for a moment, is put back.
files_as_they_were() { [ -n "$ID" ] || cp -an "$WORK/moment/." "$WORK/"; }

stop_and_keep_files() {
    AT_STOP=$(count)
    expect_exit 0 stasis stateful-stop "$TARGET"
    rm -rf "$WORK/moment"
    mkdir "$WORK/moment"
    [ -n "$ID" ] || cp -a "$WORK"/tree.* "$WORK/moment"
}

# A tree's file that was half written when it stopped is another one by the time that the running tree is replaced.
stop_between_writes() {
    stop_and_keep_files
    while compgen -G "$WORK/tree.*.new" >/dev/null; do
        expect_exit 0 stasis restore "$TARGET"
        stop_and_keep_files
    done
}

# A fresh stop state, the only one.
stop_again() {
    local old=${STOP:-}
    stop_and_keep_files
    STOP=$(newest_stop)
    assert_no_leftovers
    forget_checkpoints "$STOP"
    [ "$STOP" != "$old" ] || fail "no new stop state"
}

TREE=()
runc_target
stop_again
for point in pre-restore setup-namespaces post-setup-namespaces post-restore network-unlock pre-resume post-resume; do
    for victim in criu stasis runc; do restore_fault "$victim" "$point:asked"; done
done
restore_fault criu post-restore:answered
for at in start:asked end:asked; do
    for victim in criu stasis; do restore_fault "$victim" "$at"; done
done
for at in setup-namespaces:asked post-restore:asked; do restore_fault "stasis runc criu" "$at"; done
HALF_MADE=yes restore_fault "stasis runc criu" pre-resume:asked

echo "== a CRIU that takes long over what it tries out of the kernel: children of its own end by signals"
mkdir "$WORK/slow"
cat >"$WORK/slow/criu" <<PYTHON
#!/usr/bin/python3 -IS
import os, signal, sys, time
if open(f"/proc/{os.getppid()}/comm").read() == "runc\n":
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(2)  # longer than from one look at it to the next
    os.wait()
os.execv("$FAULT_CRIU", ["$FAULT_CRIU"] + sys.argv[1:])
PYTHON
chmod +x "$WORK/slow/criu"
STASIS_CRIU=$WORK/slow/criu expect_exit 0 stasis restore "$TARGET"
assert_runs "$AT_STOP"

echo "== an rsync that goes on when stasis is killed while it puts the files back"
stop_again
mkdir "$WORK/held"
mkfifo "$WORK/held/go"
cat >"$WORK/held/rsync" <<SH
#!/bin/sh
touch "$WORK/held/begun"
read -r _ <"$WORK/held/go"
exec "$(command -v rsync)" "\$@"
SH
chmod +x "$WORK/held/rsync"
# shellcheck disable=SC2086
PATH=$WORK/held:$PATH in_background "$STASIS" --store "$STASIS_STORE" $ROOTS restore "$TARGET"
wait_for 10 "rsync" test -e "$WORK/held/begun"
kill -KILL "$BACKGROUND"
expect_exit 5 stasis restore "$TARGET"
# shellcheck disable=SC2086
expect_exit 5 "$STASIS" --store "$WORK/another-store" $ROOTS restore "$TARGET"
echo >"$WORK/held/go"
wait_for 10 "the end of rsync" no_tools_left
expect_exit 0 stasis restore "$TARGET"
assert_runs "$AT_STOP"

echo "== its files can't be put back where it was killed to be replaced"
stop_again
expect_exit 0 stasis restore "$TARGET"
mv "$BUNDLE/rootfs" "$BUNDLE/aside"
touch "$BUNDLE/rootfs"
expect_exit 7 stasis restore "$TARGET" --replace
[[ $ERR == *"the checkpoint is unharmed"* ]] || fail "what is said: $ERR"
rm "$BUNDLE/rootfs"
mv "$BUNDLE/aside" "$BUNDLE/rootfs"
expect_exit 0 stasis restore "$TARGET"
assert_runs "$AT_STOP"
rc delete --force "$ID"

tree_target
STOP=
stop_again
for point in pre-restore post-restore pre-resume post-resume; do
    for victim in criu stasis; do restore_fault "$victim" "$point:asked"; done
done
restore_fault criu post-restore:answered
for at in start:asked end:asked; do
    for victim in criu stasis; do restore_fault "$victim" "$at"; done
done
restore_fault "stasis criu" pre-restore:asked
HALF_MADE=yes restore_fault "stasis criu" post-restore:asked

echo "== while the running target is replaced"
expect_exit 0 stasis restore "$TARGET"
for fault in "criu start:asked" "criu post-restore:asked" "stasis pre-restore:asked"; do
    stop_between_writes
    expect_exit 0 stasis restore "$TARGET"
    files_as_they_were
    with_fault "${fault#* }" "FAULT_KILL=${fault% *}" -- restore "$TARGET" --replace
    [[ $CODE =~ ^(7|137)$ ]] || fail "exit code $CODE: $ERR"
    files_as_they_were
    expect_exit 0 stasis restore "$TARGET"
    track_tree
    assert_runs "$AT_STOP"
    fault_says "restored from $(newest_stop)"
done
assert_no_leftovers
faults_total 47
