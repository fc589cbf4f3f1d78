#!/usr/bin/env bash
# check: everything that is missing at once, each with its remedy.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# finding WHAT FIELD
finding() { json '[f for f in d["findings"] if f["what"] == "'"$1"'"][-1]["'"$2"'"]'; }

script eof-at:version print-at:version
expect 3 stasis --json check
check_eq "$ERR" "" "standard error"
check_eq "$(json 'sorted(d)')" "['findings', 'ok']" "keys"
check_eq "$(json 'd["ok"]')" False "ok"
check_eq "$(json 'all(sorted(f) == ["detail", "ok", "remedy", "required", "what"] for f in d["findings"])')" True "keys of findings"
check_eq "$(finding CRIU ok)" False "CRIU"
check_eq "$(finding CRIU detail)" "'$FAKE_CRIU' does not work: CRIU ended without an answer at its start; fake CRIU says why" "CRIU"
check_eq "$(finding kernel ok)" True "kernel"
check_eq "$(finding kernel detail)" "$(uname -r)" "kernel"
[ -n "$(finding CRIU remedy)" ] || fail "no remedy"
expect 3 stasis check
check_like "$(grep CRIU <<<"$OUT")" "FAIL +CRIU +'$FAKE_CRIU' does not work: .*"
check_has "$OUT" "→ "

need_root
script version:3.10
expect 3 stasis --json check
check_eq "$(finding CRIU detail)" "CRIU 3.10 ('$FAKE_CRIU') is too old: stasis needs 3.17" "an old CRIU"
script refuse:post-dump
expect 3 stasis --json check
check_eq "$(finding CRIU ok) $(finding CRIU detail)" "True 4.1.1 ($FAKE_CRIU)" "CRIU"
check_eq "$(finding self-test ok) $(finding self-test required)" "False True" "the self-test"
check_has "$(finding self-test detail)" "cannot do 'post-dump'"
# What CRIU claims to have restored must answer.
script kill-at:end
expect 3 stasis --json check
check_eq "$(finding self-test detail)" "the self-test's own process does not answer on its socket" "the self-test"
# What it claims to have ended must have ended.
script ''
expect 3 stasis --json check
check_eq "$(finding self-test detail)" "CRIU says that it has dumped and ended a process, which goes on" "the self-test"

# A target: looks only.
blocker() { json '[b for b in d["blockers"] if b["id"] == "'"$1"'"][-1]["'"$2"'"]'; } # ID FIELD
start_target
script version:4.2.1
forget_trace
works stasis --json check "pid:$T"
check_eq "$(json 'sorted(d)')" "['blockers', 'look_us', 'memory_bytes', 'ok', 'options', 'target', 'tasks', 'tmpfs_bytes', 'warnings']" "keys"
check_eq "$(json '[d["ok"], d["blockers"], d["target"], d["tasks"]]')" "[True, [], 'pid:$T', 1]" "a target without blockers"
check_eq "$(json 'all(sorted(o) == ["key", "reason", "value"] for o in d["options"])')" True "keys of options"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "type: DUMP"
works stasis check --explain --tcp close --criu-option ghost-limit=5M "pid:$T"
check_like "$(head -n 1 <<<"$OUT")" "pid:$T can be dumped: pid $T, 1 task, [0-9.]+ [KM]iB of memory"
check_like "$(grep -e --tcp <<<"$OUT")" " +--tcp-close +TCP connections are to be closed at the restore \(--tcp close\).*"
check_like "$(grep -e --ghost <<<"$OUT")" " +--ghost-limit 5M +given with --criu-option"
fails 2 "stasis: error: CRIU's option 'leave-running' is stasis's own to set" stasis check --criu-option leave-running "pid:$T"
expect 2 stasis check --tcp maybe "pid:$T"
# A CRIU that is known to fail on this kernel blocks; this one would on any newer than 6.12.
script version:3.17.1
if [ "$(printf '%s\n' 6.13 "$(uname -r)" | sort -V | head -n 1)" = 6.13 ]; then
    expect 1 stasis --json check "pid:$T"
    check_has "$(blocker criu-too-old cause)" "CRIU 3.17.1 on Linux $(uname -r) does not start"
fi
script version:4.2.1
expect 1 stasis --json check "pid:$$"
check_eq "$(json 'd["ok"]')" False "our own ancestor"
check_like "$(blocker ancestor cause)" "pid $$ \(bash\) is an ancestor of stasis itself, .*"
expect 1 stasis check "pid:$$"
check_has "$OUT" "  ancestor: pid $$ (bash) is an ancestor of stasis itself, which can't freeze itself
    → run stasis from outside"
expect 4 stasis check pid:2147483646
check_eq "$OUT" "" "standard output of a failure"
rm -f "/run/stasis/pid/$$.lock"
