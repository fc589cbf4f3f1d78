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
check_eq "$(finding self-test detail)" "the restored process does not answer on its socket" "the self-test"

# A target: looks only.
start_target
forget_trace
works stasis --json check "pid:$T"
check_eq "$(json 'd["ok"]')" True "a target without blockers"
check_like "$(finding target detail)" "pid:$T: pid $T, 1 tasks, [0-9]+ MiB of memory"
check_eq "$(<"$FAKE_CRIU_TRACE")" "" "what CRIU was asked"
expect 1 stasis --json check "pid:$$"
check_eq "$(json 'd["ok"]')" False "our own ancestor"
check_has "$(finding blocker detail)" "pid $$ is an ancestor of stasis itself"
expect 4 stasis check pid:2147483646
check_eq "$OUT" "" "standard output of a failure"
rm -f "/run/stasis/pid/$$.lock"
