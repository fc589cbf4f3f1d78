#!/usr/bin/env bash
# What CRIU's log says becomes a cause and a remedy; what passes by itself is tried again.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
export FAKE_CRIU_ERROR
dumps() { grep -c 'type: DUMP' "$FAKE_CRIU_TRACE"; }

start_target
NETLINK="netlink: The socket has data to read"
CAUSE="a netlink socket holds messages that its process has not read yet"

# A known cause, in words; it does not pass by itself: one dump.
FAKE_CRIU_ERROR="unix: External socket is used. Consider using --ext-unix-sk option."
script refuse:post-dump
for command in "snapshot pid:$T s" "stateful-stop pid:$T"; do
    forget_trace
    # shellcheck disable=SC2086
    expect 1 stasis $command
    check_like "$ERR" "stasis: error: CRIU could not dump the target
    \(00.000003\) Error \(criu/fake.c:1\): unix: External socket is used. Consider using --ext-unix-sk option.
stasis: cause: a Unix socket is connected to a process outside the target
stasis: hint: stop what uses the connection [^
]*
stasis: log: $STORE/pid/$T/failed-[0-9TZ-]*/logs/dump.log"
    check_eq "$(dumps)" 1 "dumps"
done
expect 1 stasis --json snapshot "pid:$T" s
tail -n 1 "$WORK/err" >"$WORK/out"
check_eq "$(json '[d["cause"], d["transient"], d["hint"][:9]]')" \
    "['a Unix socket is connected to a process outside the target', False, 'stop what']" "the cause as JSON"
rm -rf "$STORE/pid/$T"

# Twice it fails, then it works: the result is that of any dump, the failures are cleared away.
FAKE_CRIU_ERROR=$NETLINK
script refuse:post-dump:2
forget_trace
expect 0 stasis snapshot "pid:$T" s
check_has "$OUT" "pid:$T snapshot as 's'"
check_eq "$ERR" "stasis: warning: CRIU could not dump the target: $CAUSE; trying again in 0.5 s (1 of 3)
stasis: warning: CRIU could not dump the target: $CAUSE; trying again in 1 s (2 of 3)" "what is said of it"
check_eq "$(dumps)" 3 "dumps"
check_eq "$(names)" "lock s" "what is left"
works stasis verify "pid:$T"
forget_trace
expect 0 stasis -q snapshot "pid:$T" --dir "$WORK/plain"
check_eq "$ERR" "" "what is said with --quiet"

# It never works.
script refuse:network-lock
forget_trace
expect 1 stasis snapshot "pid:$T" t
check_has "$ERR" "stasis: warning: CRIU could not dump the target: $CAUSE; trying again in 2 s (3 of 3)
stasis: error: tried 4 times: CRIU could not dump the target"
check_has "$ERR" "stasis: cause: $CAUSE"
check_eq "$(dumps)" 4 "dumps"
is_alive "$T" || fail "the target is gone"

# The time is up in between, or someone interrupts.
forget_trace
expect 1 stasis --timeout 0.3 snapshot "pid:$T" t
check_has "$ERR" "stasis: error: the operation did not finish within its --timeout"
check_eq "$(dumps)" 1 "dumps"
forget_trace
"$STASIS" --store "$STORE" snapshot "pid:$T" t >"$WORK/out" 2>"$WORK/err" &
stasis_pid=$!
until grep -q 'trying again in 2 s' "$WORK/err"; do :; done
kill -TERM "$stasis_pid"
code=0
wait "$stasis_pid" || code=$?
check_eq "$code" 143 "exit code of an interrupted pause"
check_eq "$(dumps)" 3 "dumps"

# What was sealed, or is not as it was, is left alone: a stop that CRIU refuses after the seal.
script refuse:end
forget_trace
expect 1 stasis stateful-stop "pid:$T"
check_eq "$(dumps)" 1 "dumps after a seal"
script kill-at:network-lock refuse:network-lock
forget_trace
expect 7 stasis snapshot "pid:$T" t
check_eq "$(dumps)" 1 "dumps of a target that is gone"

# A restore is never tried again.
FAKE_CRIU_ERROR="Can't fork for 17: File exists"
script refuse:pre-restore
forget_trace
expect 1 stasis restore "pid:$T" s
check_has "$ERR" "stasis: cause: a pid that the target must get back is taken
stasis: hint: end the process with the pid that the line names, or wait until it is gone; the checkpoint is unharmed"
check_eq "$(grep -c 'type: RESTORE' "$FAKE_CRIU_TRACE")" 1 "restores"
