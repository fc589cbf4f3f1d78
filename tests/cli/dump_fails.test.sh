#!/usr/bin/env bash
# Whatever goes wrong, and wherever: the target runs on, the log is kept, nothing looks like a checkpoint.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root

# fails_cleanly CODE COMMAND...
fails_cleanly() {
    expect "$1" "${@:2}"
    local said=$ERR
    check_eq "$OUT" "" "standard output with '$FAKE_CRIU_SCRIPT'"
    check_has "$ERR" "stasis: error: "
    is_alive "$T" || fail "the target is gone with '$FAKE_CRIU_SCRIPT'"
    only_failure_left
    rm -rf "$STORE/pid/$T"
    ERR=$said
}

start_target
for step in start pre-dump query-ext-files network-lock post-dump end; do
    for command in "snapshot pid:$T s" "stateful-stop pid:$T"; do
        at=$step # a snapshot is not sealed before CRIU's last word: what fails last there is the unlock
        [ "$step $command" != "end snapshot pid:$T s" ] || at=network-unlock
        script refuse:$at
        # shellcheck disable=SC2086
        fails_cleanly 1 stasis $command
        check_like "$ERR" "stasis: error: CRIU could not dump the target
    (\(00.000003\) Error \(criu/fake.c:1\): cannot do '$at'|the first thing that was logged)
stasis: cause: none that stasis knows
stasis: hint: \`stasis bug-report TARGET\` collects what is needed to find it
stasis: log: $STORE/pid/$T/failed-[0-9TZ-]*/logs/dump.log"

        for verb in eof-at crash-at; do
            script $verb:$at
            # shellcheck disable=SC2086
            fails_cleanly 1 stasis $command
            check_like "$ERR" "stasis: error: CRIU ended without an answer [a-z '-]*
stasis: cause: none that stasis knows
stasis: hint: run \`stasis check\` to see whether this CRIU works on this kernel
stasis: log: $STORE/pid/$T/failed-[0-9TZ-]*/logs/dump.log"
        done
    done
done
script eof-at:post-dump
fails_cleanly 1 stasis snapshot "pid:$T"
check_has "$ERR" "CRIU ended without an answer after 'post-dump'"
for words in garbage:post-dump wrong-type:end fds-at:pre-dump no-post-dump; do
    script $words
    fails_cleanly 1 stasis snapshot "pid:$T"
    fails_cleanly 1 stasis stateful-stop "pid:$T"
done

# One that asks to let the target go before its last page is there; by either protocol.
for version in 4.1.1 4.2.1; do
    script version:$version no-last-page
    fails_cleanly 1 stasis snapshot "pid:$T"
    check_has "$ERR" "without saying that all its pages were sent"
    script version:$version
    works stasis snapshot "pid:$T" "pages-$version"
    works stasis delete "pid:$T" "pages-$version"
done

# The log that the message names is there and says why.
script refuse:post-dump
expect 1 stasis snapshot "pid:$T"
log=$(sed -n 's/^stasis: log: //p' "$WORK/err")
check_has "$(<"$log")" "cannot do 'post-dump'"
# Failures of one second have names of their own, and the next success clears them away.
expect 1 stasis snapshot "pid:$T"
check_eq "$(find "$STORE/pid/$T" -name 'failed-*' | wc -l)" 2 "failures"
script ''
works stasis snapshot "pid:$T" good
check_eq "$(names)" "good lock" "after a success"
script refuse:pre-dump
expect 1 stasis snapshot "pid:$T" bad
works stasis verify "pid:$T"
check_eq "$OUT" "pid:$T 'good': whole" "an earlier checkpoint"
rm -rf "$STORE/pid/$T"

# A signal up to the commit point.
for step in pre-dump query-ext-files network-lock post-dump; do
    script signal-at:$step:15
    fails_cleanly 143 stasis snapshot "pid:$T"
    check_has "$ERR" "stasis: error: interrupted by Terminated"
    script signal-at:$step:2
    fails_cleanly 130 stasis stateful-stop "pid:$T"
done
script signal-at:pre-dump:1
fails_cleanly 143 stasis snapshot "pid:$T"
forget_trace
script signal-at:post-dump:15
fails_cleanly 143 stasis stateful-stop "pid:$T"
check_has "$(<"$FAKE_CRIU_TRACE")" "notify_success: false"
# Before that as well.
script signal-at:version:15
fails_cleanly 143 stasis snapshot "pid:$T"

# The time is up.
script slow-at:post-dump:1000
fails_cleanly 1 stasis --timeout 0.7 snapshot "pid:$T"
check_has "$ERR" "stasis: error: the operation did not finish within its --timeout
stasis: hint: give it more time with --timeout SECONDS"
script ''
works stasis --timeout 1000000000 snapshot "pid:$T" long
rm -rf "$STORE/pid/$T"

# The same, for a script to read.
script refuse:network-lock
expect 1 stasis --json snapshot "pid:$T"
check_eq "$OUT" "" "standard output of a failure"
log=$(sed -n 's/^stasis: log: //p' "$WORK/err")
check_eq "$(tail -n 1 "$WORK/err")" '{"type":"error","exit_code":1,"message":"CRIU could not dump the target","details":["(00.000003) Error (criu/fake.c:1): cannot do '\''network-lock'\''"],"cause":"none that stasis knows","transient":false,"hint":"`stasis bug-report TARGET` collects what is needed to find it","log":"'"$log"'"}' "the error as JSON"
rm -rf "$STORE/pid/$T"

# The target does not survive: nobody may take that for "as it was".
script kill-at:network-lock refuse:network-lock
expect 7 stasis snapshot "pid:$T"
check_has "$ERR" "stasis: hint: the target is not as it was"
only_failure_left

# CRIU ends after the seal, having killed: the state is safe, the stop is done.
start_target
script kill-at:end eof-at:end
expect 0 stasis stateful-stop "pid:$T"
check_has "$OUT" "pid:$T stopped with its state as"
check_has "$ERR" "stasis: warning: CRIU failed after the state was sealed"
works stasis verify "pid:$T"
check_has "$OUT" "': whole"

# The blockers are named before anything is touched: our own ancestor can't be frozen.
T=$$
forget_trace
expect 1 stasis snapshot "pid:$$" --dir "$WORK/never"
check_has "$ERR" "stasis: error: 'pid:$$' can't be dumped as it is; nothing was touched
    pid $$ (bash) is an ancestor of stasis itself"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "type: DUMP"
[ ! -e "$WORK/never" ] && [ ! -e "$WORK/never.partial" ] || fail "a refused dump left something"
rm -f "/run/stasis/pid/$$.lock"
