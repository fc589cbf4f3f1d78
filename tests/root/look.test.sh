#!/usr/bin/env bash
# What a look leads to: one refusal that names everything, the units that cause it, and the options that a user
# gives instead of the chosen ones.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

CONDITION=$(target condition)
says() { grep -qF -- "$1" <<<"$ERR$OUT" || fail "'$1' is not in: $ERR$OUT"; }
state_of() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status"; }

# start_tree NAME...: a shell over programs in these conditions. Its pid in $TREE, theirs in $WORK/NAME.pid.
start_tree() {
    local name
    # shellcheck disable=SC2016
    in_background setsid /bin/sh -c 'work=$1 condition=$2; shift 2
        for name; do "$condition" "$name" "$work/$name.pid" "$work/$name.file" & done; wait' sh "$WORK" "$CONDITION" "$@"
    TREE=$BACKGROUND
    for name in "$@"; do
        wait_for 10 "the condition $name" test -s "$WORK/$name.pid"
        track_pid "$(<"$WORK/$name.pid")"
    done
}

echo "== everything at once, and nothing frozen"
start_tree io_uring userfault nested_uts
# The unit of a process is its cgroup's name.
GROUPS_FOLDER=$(awk '$3 == "cgroup2" || $4 ~ /name=systemd/ { print $2; exit }' /proc/mounts)
UNIT=stasis-$RUN.service
NESTED=$(pgrep -P "$(<"$WORK/nested_uts.pid")")
mkdir "$GROUPS_FOLDER/$UNIT"
trap 'echo "$NESTED" >"$GROUPS_FOLDER/cgroup.procs" || true; rmdir "$GROUPS_FOLDER/$UNIT"; on_exit' EXIT
echo "$NESTED" >"$GROUPS_FOLDER/$UNIT/cgroup.procs"
expect_exit 1 stasis snapshot "pid:$TREE" refused
says "nothing was touched"
says "pid $(<"$WORK/io_uring.pid") (condition), descriptor "
says "is an io_uring"
says "kernel.io_uring_disabled=2"
says "is a userfaultfd"
says "pid $NESTED (condition) is not in the uts namespace"
says "\`systemctl edit $UNIT\` in the target, set ProtectHostname=no"
[ ! -e "$STASIS_STORE/pid/$TREE/refused" ] || fail "a refused dump left a checkpoint"
for pid in "$TREE" "$NESTED"; do check_eq "$(state_of "$pid")" S "state of $pid"; done
expect_exit 1 stasis check "pid:$TREE"
says "can't be dumped, for 3 reasons"

echo "== what would do harm is not even tried"
expect_exit 1 stasis snapshot "pid:$$" --ignore-blockers
says "is an ancestor of stasis itself"
rm -f "/run/stasis/pid/$$.lock"

echo "== TCP connections"
start_tree tcp_outside
CLIENT=$(<"$WORK/tcp_outside.pid")
expect_exit 1 stasis snapshot "pid:$CLIENT" --tcp fail
says "a TCP connection is open: 127.0.0.1:"
expect_exit 0 stasis snapshot "pid:$CLIENT" kept --explain
says "restore of this snapshot will find these connections broken"
says "--tcp-established"
expect_exit 0 stasis snapshot "pid:$CLIENT" closed --tcp close --explain
says "--tcp-close"
inode() { readlink "/proc/$CLIENT/fd/"* | sed -n 's/^socket:\[\(.*\)\]$/\1/p'; }
connected() { awk -v inode="$(inode)" '$10 == inode && $4 == "01" { found = 1 } END { exit !found }' "/proc/$CLIENT/net/tcp"; }
connected || fail "there was no connection"
expect_exit 0 stasis restore "pid:$CLIENT" closed --replace
track_pid "$CLIENT"
[ -n "$(inode)" ] || fail "the socket is gone"
! connected || fail "the connection is still there after --tcp close"

echo "== options of the user's own"
start_tree nothing
PLAIN=$(<"$WORK/nothing.pid")
expect_exit 0 stasis snapshot "pid:$PLAIN" own --criu-option allow-uprobes --criu-option file-locks=no --explain
says "--allow-uprobes"
! grep -qF -- --file-locks <<<"$OUT" || fail "file-locks was to be left out"
grep -q "allow-uprobes" "$STASIS_STORE/pid/$PLAIN/own/logs/criu.conf" || fail "CRIU was not told"
expect_exit 0 stasis restore "pid:$PLAIN" own --replace
track_pid "$PLAIN"
expect_exit 1 stasis snapshot "pid:$PLAIN" odd --criu-option no-such-option
check_eq "$(state_of "$PLAIN")" S "state after an option that CRIU does not know"
expect_exit 2 stasis snapshot "pid:$PLAIN" --criu-option leave-running=no

echo "== a lock that is shared with the outside, when the look is not asked"
start_tree lock_shared
LOCKER=$(<"$WORK/lock_shared.pid")
expect_exit 1 stasis stateful-stop "pid:$LOCKER"
says "holds a lock on '$WORK/lock_shared.file' together with a process outside"
expect_exit 0 stasis stateful-stop "pid:$LOCKER" --ignore-blockers
expect_exit 1 stasis --timeout 3 restore "pid:$LOCKER"
says "did not finish within its --timeout"
wait_for 10 "nothing of the restore that hung" eval '[ ! -e /proc/$LOCKER ]'
assert_no_leftovers
