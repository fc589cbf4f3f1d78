#!/usr/bin/env bash
# Several targets in one command: all are looked at before one is touched, one failure ends it or does not, and the
# report says what became of each. Real containers: tests/root/all.test.sh.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root

outcomes() { json '[r["outcome"] for r in d]'; }
mkdir "$WORK/runc"
all() { stasis --runc-root "$WORK/runc" "$@"; }

# Nothing there, nothing to do.
for command in "stateful-stop --all" "restore --all"; do
    # shellcheck disable=SC2086
    works all --json $command
    check_eq "$(json d)" "[]" "$command where there is nothing"
    # shellcheck disable=SC2086
    works all $command
    check_eq "$OUT" "" "$command where there is nothing"
done
fails 2 "stasis: error: there is no runtime 'pid' that lists its containers
stasis: hint: name the targets one by one" all stateful-stop --all --runtime pid
printf 'web\ndb\nweb # again\n' >"$WORK/order"
fails 2 "stasis: error: 'web' stands twice in the order file
stasis: hint: leave one of them" all restore --all --order "$WORK/order"

# One of two fails in CRIU's hands: the first is stopped, and the second untouched or, with --keep-going, tried.
start_target
one=$T
start_target
script refuse:post-dump
expect 1 stasis --json stateful-stop "pid:$one" "pid:$T" "pid:$one"
check_eq "$(outcomes)" "['failed', 'untouched']" "after a failure"
check_eq "$(json 'd[1]["reason"]')" "'pid:$one' failed before" "reason"
check_has "$ERR" "2 of 2 targets were not stopped"
expect 1 stasis --json stateful-stop "pid:$one" "pid:$T" --keep-going
check_eq "$(outcomes)" "['failed', 'failed']" "with --keep-going"
check_eq "$(json 'd[0]["error"]["type"], d[0]["error"]["exit_code"]')" "('error', 1)" "the error of one"
check_eq "$(json 'd[0]["error"]["log"].split("/")[-2:]')" "['logs', 'dump.log']" "the log of one"

# A run that was killed can't say how its target is: someone must look.
script signal-at:pre-dump:9
expect 7 stasis --json stateful-stop "pid:$one" "pid:$T"
check_has "$(json 'd[0]["error"]["message"]')" "its run of stasis ended with signal 9 (Killed)"
check_eq "$(outcomes)" "['failed', 'untouched']" "after a run that was killed"
check_eq "$(tail -n 1 "$WORK/err" | grep -o '"exit_code":7')" '"exit_code":7' "the last line on standard error"

# The options of the command are those of each run.
script ''
works stasis --json stateful-stop "pid:$one" "pid:$T" "pid:$one" --rootfs none --tcp close --criu-option allow-uprobes \
    --criu-option link-remap=no --drop-exec
check_eq "$(outcomes)" "['stopped', 'stopped']" "two stops"
for key in tcp-close allow-uprobes; do
    check_eq "$(json "[sum(o['key'] == '$key' for o in r['options']) for r in d]")" "[1, 1]" "$key in each run"
done
check_eq "$(json '[o for r in d for o in r["options"] if o["key"] == "link-remap"]')" "[]" "what was taken away"

# Only what --all has stopped comes back with --all; process trees never.
works all --json restore --all
check_eq "$(json d)" "[]" "process trees"
