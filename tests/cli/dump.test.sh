#!/usr/bin/env bash
# Dumps that go well: what CRIU is asked, what is printed, what lies in the store.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
start_target
TIME='[0-9]+\.[0-9]+ m?s'
SIZE='[0-9]+(\.[0-9])? (B|[KMG]iB)'

works stasis snapshot "pid:$T" first
check_like "$OUT" "pid:$T snapshot as 'first': frozen for $TIME, $TIME in all, $SIZE written to $STORE/pid/$T/first"
is_alive "$T" || fail "a snapshot ended its target"
check_eq "$(names)" "first lock" "the store"
check_eq "$(stat -c %a "$STORE" "$STORE/pid" "$STORE/pid/$T" "$STORE/pid/$T/first" "$STORE/pid/$T/first/manifest.json" \
    "$STORE/pid/$T/first/images" | tr '\n' ' ')" "700 700 700 700 600 755 " "modes"
for file in images/inventory.img images/pages-1.img logs/dump.log logs/stats-dump; do
    [ -s "$STORE/pid/$T/first/$file" ] || fail "no $file"
done
works stasis verify
check_eq "$OUT" "pid:$T 'first': whole" "verify"

# What CRIU was asked.
request=$(grep 'type: DUMP' "$FAKE_CRIU_TRACE")
for part in "pid: $T " "leave_running: true" "notify_scripts: true" "log_file: \"dump.log\"" "images_dir_fd: " "work_dir_fd: " \
    "tcp_established: true" "file_locks: true" "manage_cgroups_mode: IGNORE"; do
    check_has "$request" "$part"
done
check_hasnt "$request" shell_job # it leads a session of its own
check_eq "$(grep -c 'notify_success: true' "$FAKE_CRIU_TRACE")" 5 "notifications acknowledged"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "notify_success: false"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "config: inherited"
CRIU_CONFIG_FILE=/etc/hostname works stasis snapshot "pid:$T"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "config: inherited"

# Names by the clock, two within a second.
works stasis snapshot "pid:$T"
works stasis snapshot "pid:$T"
check_like "$(ls "$STORE/pid/$T" | grep -c Z)" 3
check_like "$OUT" "pid:$T snapshot as '20[0-9]{6}T[0-9]{6}Z(-[0-9])?': .*"

# JSON, and why.
works stasis --json snapshot "pid:$T" second
check_eq "$(json 'sorted(d)')" \
    "['ahead_bytes', 'buffer_bytes', 'bytes_written', 'checkpoint', 'criu_frozen_us', 'freeze_us', 'kind', 'options', 'parent', 'path', 'target', 'total_us', 'warnings']" "keys"
check_eq "$(json '[d["target"], d["checkpoint"], d["kind"], d["path"], d["criu_frozen_us"]]')" \
    "['pid:$T', 'second', 'snapshot', '$STORE/pid/$T/second', 2222]" "values"
check_eq "$(json '0 < d["freeze_us"] < d["total_us"]')" True "measures"
check_eq "$(json 'd["parent"] != "" and 0 < d["bytes_written"] < 9000')" True "unchanged memory is shared"
works stasis --json snapshot "pid:$T" whole --full
check_eq "$(json 'd["parent"] == "" and d["bytes_written"] > 9000')" True "all memory"
check_eq "$(json 'all(sorted(o) == ["key", "reason", "value"] and o["reason"] for o in d["options"])')" True "options"
works stasis snapshot "pid:$T" third --explain
check_has "$OUT" "  --tcp-established"
check_has "$OUT" "open TCP connections are kept"
expect 0 stasis -v snapshot "pid:$T" fourth
check_has "$ERR" "stasis: dumping"
check_has "$ERR" "stasis: sealing"

# A plain directory.
works stasis snapshot "pid:$T" --dir "$WORK/plain"
check_has "$OUT" "as 'plain'"
[ -s "$WORK/plain/manifest.json" ] || fail "nothing in --dir"
works stasis --json info "pid:$T" --dir "$WORK/plain"
check_eq "$(json '[d["checkpoint"], d["path"]]')" "['plain', '$WORK/plain']" "info --dir"

# A session that someone else leads.
sleep 600 </dev/null >/dev/null 2>&1 &
STARTED+=($!)
disown $!
forget_trace
works stasis snapshot "pid:$!" job
check_has "$(grep 'type: DUMP' "$FAKE_CRIU_TRACE")" "shell_job: true"

# A stop: nothing dies before it is sealed.
script kill-at:end
works stasis stateful-stop "pid:$T"
check_like "$OUT" "pid:$T stopped with its state as 'stop-20[0-9]{6}T[0-9]{6}Z': frozen and sealed in $TIME, $TIME in all, $SIZE written to .*"
is_alive "$T" && fail "a stop left its target running"
check_has "$(grep 'type: DUMP' "$FAKE_CRIU_TRACE" | tail -n 1)" "leave_running: false"
works stasis verify "pid:$T"
check_hasnt "$OUT" DAMAGED
check_has "$OUT" "pid:$T 'stop-"

# Several at once: an array.
start_target
one=$T
start_target
works stasis --json stateful-stop "pid:$one" "pid:$T"
check_eq "$(json '[[r["target"], r["kind"]] for r in d]')" "[['pid:$one', 'stop'], ['pid:$T', 'stop']]" "two stops"
fails 2 "stasis: error: --dir takes one target
stasis: hint: stop them one by one, each with a directory of its own" stasis stateful-stop "pid:$one" "pid:$T" --dir "$WORK/d"

# What an earlier failure left and can't be removed is no failure of a dump that is done.
start_target
(umask 077 && mkdir -p "$STORE/pid/$T/failed-20200101T000000Z/logs")
mount -t tmpfs tmpfs "$STORE/pid/$T/failed-20200101T000000Z/logs"
code=0
stasis snapshot "pid:$T" done >"$WORK/out" 2>"$WORK/err" || code=$?
umount "$STORE/pid/$T/failed-20200101T000000Z/logs"
check_eq "$code" 0 "exit code of a snapshot that can't clear away what an earlier failure left"
check_has "$(<"$WORK/err")" "stasis: warning: what is left of earlier failures could not be removed"
works stasis verify "pid:$T" done
