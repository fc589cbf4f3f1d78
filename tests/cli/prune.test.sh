#!/usr/bin/env bash
# What prune deletes and what it keeps; the rules themselves are in tests/unit/prune_test.cc.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root

start_target
script ''
for name in a b c; do works stasis -q snapshot "pid:$T" $name; done
script kill-at:end
works stasis -q stateful-stop "pid:$T"
stop=$(cd "$STORE/pid/$T" && echo stop-*)
script ''

fails 2 "stasis: error: nothing says which checkpoints are to be kept
stasis: hint: give at least one of --keep-last, --keep-hourly, --keep-daily, --keep-weekly and --keep-monthly" \
    stasis prune "pid:$T"
fails 2 "stasis: error: nothing says which checkpoints are to be kept
stasis: hint: give at least one of --keep-last, --keep-hourly, --keep-daily, --keep-weekly and --keep-monthly" \
    stasis prune "pid:$T" --keep-last 0
expect 4 stasis prune nobody --keep-last 1

# Failures leave logs, which are not prune's.
mkdir -p "$STORE/pid/$T/failed-20260101T000000Z/logs"
works stasis --json prune "pid:$T" --keep-last 2 --dry-run
check_eq "$(json '[[c["checkpoint"], c["kept"], c["reasons"]] for c in d["checkpoints"]]')" \
    "[['a', False, []], ['b', False, []], ['c', True, ['last']], ['$stop', True, ['stop', 'last']]]" "a dry run"
check_eq "$(names)" "a b c failed-20260101T000000Z lock $stop" "after a dry run"
works stasis prune "pid:$T" --keep-last 2
check_like "$OUT" "CHECKPOINT .*
a .* deleted *
b .* deleted *
c .* kept +last
$stop .* kept +stop, last"
check_eq "$(names)" "c failed-20260101T000000Z lock $stop" "after prune"
works stasis verify "pid:$T"
works stasis prune "pid:$T" --keep-daily 1
check_eq "$(names)" "failed-20260101T000000Z lock $stop" "one a day: the newest"
