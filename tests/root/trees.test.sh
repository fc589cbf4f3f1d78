#!/usr/bin/env bash
# Bare process trees: pid:N.
. "$(dirname "$0")/common.sh"

count() { cat "$WORK/count" 2>/dev/null || echo 0; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }

# start_tree: a shell in a session of its own with a child; its pid in $TREE.
start_tree() {
    rm -f "$WORK/count" "$WORK/pid"
    setsid busybox sh -c 'echo $$ >"$1/pid"; sleep 100000 & i=0; while :; do i=$((i+1)); echo $i >"$1/new"; busybox mv "$1/new" "$1/count"; busybox usleep 20000; done' \
        sh "$WORK" </dev/null >/dev/null 2>&1 3>&- &
    wait_for 10 "the tree starts" counts_beyond 3
    TREE=$(cat "$WORK/pid")
    track_pid "$TREE"
}
tree_is_alive() { kill -0 "$TREE" 2>/dev/null; }

start_tree
echo "== snapshot, go on, back, stop, restore"
stasis snapshot "pid:$TREE" s1
AT=$(count)
wait_for 10 "the tree goes on" counts_beyond $((AT + 50))
expect_exit 5 stasis restore "pid:$TREE" s1
stasis restore "pid:$TREE" s1 --replace
track_pid "$TREE"
# The file is the host's and stays as it is until the restored shell writes its own count.
wait_for 10 "the count goes back" eval '[ "$(count)" -lt $((AT + 50)) ]'
wait_for 10 "the tree goes on from its snapshot" counts_beyond "$AT"
stasis stateful-stop "pid:$TREE"
AT=$(count)
wait_for 10 "the tree is gone" eval '! tree_is_alive'
stasis restore "pid:$TREE"
track_pid "$TREE"
wait_for 10 "the tree goes on from its stop state" counts_beyond "$AT"
check_eq "$(ps -o comm= --ppid "$TREE" | grep -c sleep)" 1 "its sleeping child"

echo "== a plain directory"
stasis snapshot "pid:$TREE" --dir "$WORK/here"
expect_exit 5 stasis snapshot "pid:$TREE" --dir "$WORK/here"
stasis restore "pid:$TREE" --dir "$WORK/here" --replace
track_pid "$TREE"
wait_for 10 "the tree runs" counts_beyond 0

echo "== a tree that starts processes all the time is no stranger to itself"
setsid busybox sh -c 'echo $$ >"$1/busy"; for i in 1 2 3 4; do (while :; do busybox true; done) & done; wait' \
    sh "$WORK" </dev/null >/dev/null 2>&1 3>&- &
wait_for 10 "the busy tree starts" test -s "$WORK/busy"
BUSY=$(cat "$WORK/busy")
track_pid "$BUSY"
stasis snapshot "pid:$BUSY" s1
for _ in $(seq 6); do
    stasis restore "pid:$BUSY" s1 --replace
    track_pid "$BUSY"
done
stasis stateful-stop "pid:$BUSY"

echo "== an open file without a name that is not whole blocks long"
setsid busybox sh -c 'exec 5>"$1/gone"; rm "$1/gone"; head -c 2000001 /dev/zero >&5; exec sleep 100000' \
    sh "$WORK" </dev/null >/dev/null 2>&1 3>&- &
HOLDER=$!
track_pid "$HOLDER"
wait_for 10 "the file to be written" grep -qx sleep "/proc/$HOLDER/comm"
expect_exit 0 stasis snapshot "pid:$HOLDER" s1

echo "== the pid belongs to somebody else"
stasis stateful-stop "pid:$TREE"
wait_for 10 "the pid is free" eval '[ ! -e /proc/$TREE ]'
echo $((TREE - 1)) >/proc/sys/kernel/ns_last_pid
setsid sleep 100000 </dev/null >/dev/null 2>&1 3>&- &
OTHER=$!
track_pid "$OTHER"
if [ "$OTHER" = "$TREE" ]; then
    expect_exit 5 stasis restore "pid:$TREE"
    expect_exit 6 stasis restore "pid:$TREE" --replace
    grep -q 'another program' <<<"$ERR" || fail "the stranger is not named: $ERR"
    grep -q -- '--new-pid-namespace' <<<"$ERR" || fail "the remedy is not named: $ERR"
    kill -0 "$OTHER" || fail "a stranger was killed"

    echo "== in a pid namespace of its own it gets them all the same"
    image=$(find "$STASIS_STORE/pid/$TREE" -path '*/stop-*' -name "core-$TREE.img" | sort | tail -n 1)
    cp -a "$image" "$WORK/image"
    truncate -s 20 "$image"
    expect_exit 1 stasis restore "pid:$TREE" --new-pid-namespace --no-verify
    [ -z "$(run_processes stasis)" ] || fail "a failed restore has left its namespace"
    mv "$WORK/image" "$image"
    AT=$(count)
    expect_exit 0 stasis --json restore "pid:$TREE" --new-pid-namespace
    ROOT=$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["pid"])' <<<"$OUT")
    track_pid "$ROOT"
    grep -q "it can't be dumped again" <<<"$OUT" || fail "no warning: $OUT"
    INIT=$(ps -o ppid= -p "$ROOT" | tr -d ' ')
    track_pid "$INIT"
    check_eq "$(sed -n 's/^NSpid:\t[0-9]*\t//p' "/proc/$ROOT/status")" "$TREE" "its own pid"
    wait_for 10 "the tree goes on" counts_beyond "$AT"
    nsenter -t "$ROOT" -m test -e "/proc/$TREE/stat" || fail "its /proc is another namespace's"
    kill -0 "$OTHER" || fail "the stranger was killed"
    # The namespace ends with its processes.
    for pid in "$ROOT" $(ps -o pid= --ppid "$ROOT"); do kill -KILL "$pid" || true; done
    wait_for 10 "the end of the namespace" eval '[ ! -e "/proc/$INIT" ]'
fi
kill "$OTHER"

echo "== what can't be done is refused before anything happens"
expect_exit 1 stasis snapshot "pid:$$"
grep -q ancestor <<<"$ERR" || fail "our own ancestor: $ERR"
expect_exit 4 stasis snapshot pid:4194303
assert_no_leftovers
