#!/usr/bin/env bash
# Restores by the fake CRIU: which checkpoint, what CRIU is asked, what is refused, what is told.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
start_target

# A target that runs is left alone.
works stasis snapshot "pid:$T" snap
forget_trace
fails 5 "stasis: error: 'pid:$T' is running
stasis: hint: stop it first, or replace it by the checkpoint with --replace" stasis restore "pid:$T" snap
is_alive "$T" || fail "the target is gone"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" RESTORE

# A stop state, by default the newest one.
script kill-at:end
works stasis stateful-stop "pid:$T"
stop=$(names | tr ' ' '\n' | grep stop-)
script ''
manifest=$(sha256sum "$STORE/pid/$T/$stop/manifest.json")
for i in 1 2; do # a checkpoint is never consumed
    forget_trace
    works stasis restore "pid:$T"
    check_like "$OUT" "pid:$T restored from '$stop', made [0-9]+ s ago, in [0-9.]+ m?s, pid $T"
    check_eq "$(grep -c 'type: RESTORE' "$FAKE_CRIU_TRACE")" 1 "restores"
done
check_eq "$(sha256sum "$STORE/pid/$T/$stop/manifest.json")" "$manifest" "the manifest"
request=$(grep 'type: RESTORE' "$FAKE_CRIU_TRACE")
for part in "notify_scripts: true" "tcp_established: true" "file_locks: true" "manage_cgroups_mode: IGNORE"; do
    check_has "$request" "$part"
done
check_like "$(ls "$STORE/pid/$T/$stop/logs")" $'dump.log\nended\nlast-restore.json\n(restore-20[0-9TZ]*.log\n)+stats-dump'
works stasis verify
works stasis --json restore "pid:$T" snap
check_eq "$(json '[sorted(d), d["target"], d["checkpoint"], d["path"], d["pid"]]')" \
    "[['away_us', 'checkpoint', 'lazy', 'path', 'pid', 'recreated_network', 'running_us', 'target', 'total_us', 'warnings'], 'pid:$T', 'snap', '$STORE/pid/$T/snap', $T]" "restore --json"
cp -a "$STORE/pid/$T/snap" "$WORK/moved"
works stasis restore "pid:$T" --dir "$WORK/moved"

# CRIU fails: where and why, and that nothing is lost.
for step in start pre-restore post-restore end; do
    script refuse:$step
    expect 1 stasis restore "pid:$T"
    check_like "$ERR" "stasis: error: cannot restore 'pid:$T': CRIU could not restore the target
    \(00.000003\) Error \(criu/fake.c:1\): cannot do '$step'
stasis: cause: none that stasis knows
stasis: hint: \`stasis bug-report TARGET\` collects what is needed to find it; the checkpoint is unharmed
stasis: log: $STORE/pid/$T/$stop/logs/restore-[0-9TZ]*.log"
    script crash-at:$step
    expect 1 stasis restore "pid:$T"
    check_has "$ERR" "stasis: error: cannot restore 'pid:$T': CRIU ended without an answer "
done
script version:4.1
expect 6 stasis restore "pid:$T"
check_eq "$ERR" "stasis: error: the checkpoint '$stop' of 'pid:$T' does not fit; nothing was touched
    it was made by CRIU 4.1.1, here is CRIU 4.1 (install CRIU 4.1.1 or newer)
stasis: hint: put right what is listed, then restore again" "an older CRIU"
script ''
works stasis verify "pid:$T"

# A restore in the place of what runs: killed only once all is verified.
start_target
works stasis snapshot "pid:$T" snap
printf x >>"$STORE/pid/$T/snap/images/inventory.img"
expect 6 stasis restore "pid:$T" snap --replace
is_alive "$T" || fail "killed for a damaged checkpoint"
works stasis snapshot "pid:$T" good
works stasis restore "pid:$T" good --replace
is_alive "$T" && fail "the replaced target lives"

start_target
works stasis snapshot "pid:$T" good
script refuse:post-restore
expect 7 stasis --json restore "pid:$T" good --replace
is_alive "$T" && fail "the replaced target lives"
tail -n 1 "$WORK/err" >"$WORK/out"
check_eq "$(json '[d["exit_code"], d["message"]]')" "[7, \"cannot restore 'pid:$T': CRIU could not restore the target\"]" "exit code 7"
works stasis verify "pid:$T"

# Another program has the pid by now.
start_target
script ''
works stasis snapshot "pid:$T" good
kill -KILL "$T"
while is_alive "$T"; do :; done
stranger=$T
start_target
mv "$STORE/pid/$stranger/good" "$STORE/pid/$T.good"
mkdir -p "$STORE/pid/$T"
chmod 700 "$STORE/pid/$T"
mv "$STORE/pid/$T.good" "$STORE/pid/$T/good"
works stasis list "pid:$T"
