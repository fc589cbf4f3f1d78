#!/usr/bin/env bash
# The causes of a real CRIU: one that passes by itself, one that does not; and one that only the runtime tells.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/counting.sh"

# start PROGRAM...: in a session of its own, without our descriptors; its pid in $TARGET.
start() {
    setsid "$@" </dev/null >/dev/null 2>&1 3>&- &
    TARGET=$!
    track_pid "$TARGET"
    wait_for 10 "the target starts" eval '[ "$(readlink /proc/$TARGET/exe)" != "$(readlink /proc/$$/exe)" ]'
}
unread() { [ "$(awk -v inode="$1" '$NF == inode { print $5 }' /proc/net/netlink)" != 0 ]; }

echo "== unread netlink messages: tried again until they were read"
start "$TARGETS_DIR/netlink"
wait_for 10 "messages wait" eval 'ls -l "/proc/$TARGET/fd" | grep -q socket'
INODE=$(find "/proc/$TARGET/fd" -lname 'socket:*' -printf '%l' | tr -dc 0-9)
wait_for 10 "messages wait" unread "$INODE"
"$STASIS" --store "$STASIS_STORE" snapshot "pid:$TARGET" s --ignore-blockers >"$WORK/out" 2>"$WORK/err" &
STASIS_PID=$!
wait_for 20 "a second try" grep -q 'a netlink socket holds messages .* trying again in 0.5 s (1 of 3)' "$WORK/err"
kill -USR1 "$TARGET"
wait "$STASIS_PID" || fail "$(<"$WORK/err")"
stasis verify "pid:$TARGET"

echo "== a Unix socket whose other end is outside: told at once"
"$PYTHON" -c 'import os, socket
ours, theirs = socket.socketpair()
ours.set_inheritable(True)
theirs.set_inheritable(True)
if os.fork() == 0:
    ours.close()
    os.setsid()
    os.execvp("sleep", ["sleep", "100000"])
theirs.close()
os.execvp("sleep", ["sleep", "100000"])' 2>/dev/null </dev/null >/dev/null 3>&- &
PARENT=$!
track_pid "$PARENT"
wait_for 10 "the child" eval 'TARGET=$(pgrep -P $PARENT) && [ "$(cat /proc/$TARGET/comm)" = sleep ]'
track_pid "$TARGET"
expect_exit 1 stasis snapshot "pid:$TARGET" --ignore-blockers
grep -q 'stasis: cause: a Unix .*socket is connected to a process outside the target' <<<"$ERR" || fail "$ERR"
! grep -q 'trying again' <<<"$ERR" || fail "$ERR"
assert_no_leftovers

echo "== a hook of the container's that fails: as the runtime tells it"
new_container hooked
bundle_set "$BUNDLE" '
command = "[ ! -e " + args[0] + " ] || { echo there is no lease >&2; exit 1; }"
c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", command]}]}' "$WORK/no-lease"
start_container "$ID" "$BUNDLE"
stasis stateful-stop "runc:$ID" >/dev/null
touch "$WORK/no-lease"
expect_exit 1 stasis restore "runc:$ID"
[[ $ERR == *"there is no lease"* && $ERR == *"action scripts failed"* ]] || fail "$ERR"
rm "$WORK/no-lease"
stasis restore "runc:$ID" >/dev/null
wait_for 10 "it counts on" counts_beyond 0
