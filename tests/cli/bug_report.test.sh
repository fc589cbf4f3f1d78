#!/usr/bin/env bash
# bug-report: everything that is there, what is missing and why, no memory and no secrets.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v zstd >/dev/null || skip_machine "zstd is not installed"

REPORTS=0
# report [ARG...]: makes a report and unpacks it into $REPORT. The self-test of `check` soon fails.
report() {
    REPORTS=$((REPORTS + 1))
    REPORT=$WORK/report-$REPORTS
    FAKE_CRIU_SCRIPT=${FAKE_CRIU_SCRIPT:-refuse:post-dump} expect 0 stasis bug-report "$@" --output "$REPORT.tar.zst"
    check_eq "$(stat -c %a "$REPORT.tar.zst")" 600 "mode of the archive"
    tar --zstd -C "$WORK" -xf "$REPORT.tar.zst"
    check_eq "$(tar --zstd -tf "$REPORT.tar.zst" | cut -d/ -f1 | sort -u)" "report-$REPORTS" "folders at the top of the archive"
}
members() { (cd "$REPORT" && find . -type f | sed 's,^\./,,' | sort | tr '\n' ' '); }
has_members() {
    local name
    for name in "$@"; do [ -s "$REPORT/$name" ] || fail "no $name in: $(members)"; done
}
hasnt() { ! grep -rlaF -- "$1" "$REPORT" || fail "'$1' is in the report"; }
HOST=(host/{check.json,uname.txt,os-release.txt,rsync.txt,cpu.txt,mountinfo.txt} checkpoints.json report.json)
HAS_RUNC=$(command -v runc || true)

# --- the host ---

need_root
report
has_members "${HOST[@]}"
[ -z "$HAS_RUNC" ] || has_members host/runc.txt
check_eq "$(<"$REPORT/host/uname.txt")" "$(uname -a)" "uname"
check_eq "$(tail -n 1 <<<"$OUT")" "$REPORT.tar.zst" "last line"
check_like "$(grep host/uname.txt <<<"$OUT")" " +$(uname -a | wc -c) B  host/uname.txt"
if [ -r /proc/config.gz ]; then
    check_has "$(<"$REPORT/host/kernel-config.txt")" "CONFIG_CHECKPOINT_RESTORE=y"
    check_hasnt "$(<"$REPORT/host/kernel-config.txt")" "CONFIG_HZ"
fi
# The fake CRIU has no --version, and cannot restore.
check_like "$(grep host/criu.txt <<<"$OUT")" " +missing  host/criu.txt: .*"
cp "$REPORT/host/check.json" "$WORK/out"
check_eq "$(json '[f["detail"] for f in d["findings"] if f["what"] == "kernel"]')" "['$(uname -r)']" "findings"

report --json
check_eq "$(json 'sorted(d)')" "['command', 'created', 'entries', 'missing', 'path', 'stasis']" "keys"
check_eq "$OUT" "$(<"$REPORT/report.json")" "the document in the report"
check_eq "$(json '" ".join(sorted(["report.json"] + [e["name"] for e in d["entries"]]))') " "$(members)" "entries"
check_eq "$(json 'sum(e["bytes"] for e in d["entries"])')" \
    "$(find "$REPORT" -type f ! -name report.json -exec cat {} + | wc -c)" "bytes"
check_eq "$(json 'd["command"][3:5]')" "['bug-report', '--json']" "command"

fails 5 "stasis: error: '$REPORT.tar.zst' is there already
stasis: hint: name another file with --output" stasis bug-report --output "$REPORT.tar.zst"
fails 1 "stasis: error: cannot create '/nowhere/x': No such file or directory" stasis bug-report --output /nowhere/x
mkdir "$WORK/here"
(script refuse:post-dump && cd "$WORK/here" && works stasis bug-report)
check_like "$(ls "$WORK/here")" 'stasis-bug-report-20[0-9]{6}T[0-9]{6}Z.tar.zst'

# --- a target and its checkpoints ---

start_target
works stasis snapshot "pid:$T" first
works stasis snapshot "pid:$T" second
script refuse:post-dump
expect 1 stasis snapshot "pid:$T"
script ''
FAILED=$(cd "$STORE" && echo pid/"$T"/failed-*)
report "pid:$T"
has_members "${HOST[@]}" "failures/$FAILED/dump.log" target/{check.json,mountinfo.txt,cgroup.txt} \
    "target/$T"/{status,open-files,mapped-files}.txt checkpoint/{info.json,files.txt,logs/dump.log,logs/stats-dump}
check_eq "$(grep '^[01] ' "$REPORT/target/$T/open-files.txt")" "0 -> /dev/null (flags 0100000, position 0)
1 -> /dev/null (flags 0100001, position 0)" "open files"
check_has "$(<"$REPORT/target/$T/mapped-files.txt")" "$(readlink "/proc/$T/exe")"
check_has "$(<"$REPORT/checkpoint/info.json")" '"checkpoint": "second"'
check_has "$(<"$REPORT/checkpoint/files.txt")" " images/"
cmp "$REPORT/checkpoint/logs/stats-dump" "$STORE/pid/$T/second/logs/stats-dump" || fail "other statistics"
report "pid:$T" first
check_has "$(<"$REPORT/checkpoint/info.json")" '"checkpoint": "first"'
report
has_members "failures/$FAILED/dump.log"

# --- no memory, no files, no secrets ---

mkdir -p "$STORE/pid/$T/second"/{rootfs,volumes/0}
for file in images/pages-1.img rootfs/file volumes/0/file; do echo FILE-CANARY >>"$STORE/pid/$T/second/$file"; done
cat >"$STORE/pid/$T/second/runtime/config.json" <<'JSON'
{"process": {"args": ["sh", "-c", "run --token=ARG-CANARY", "--password", "ARG2-CANARY"], "env": ["HOME=ENV-CANARY"]},
 "annotations": {"org.example.api-key": "NOTE-CANARY", "doc": "{\"env\":[\"A=INNER-CANARY\"]}"},
 "hooks": {"prestart": [{"path": "/bin/kept", "env": ["A=HOOK-CANARY"]}]}}
JSON
cp "$STORE/pid/$T/second/runtime/config.json" "$STORE/pid/$T/second/logs/restore-1.log.config.json"
echo "run with password=LOG-CANARY" >>"$STORE/pid/$T/second/logs/dump.log"
report "pid:$T" second
has_members checkpoint/runtime/config.json checkpoint/logs/restore-1.log.config.json
check_has "$(<"$REPORT/checkpoint/runtime/config.json")" "/bin/kept"
check_has "$(<"$REPORT/checkpoint/files.txt")" " images/pages-1.img"
hasnt CANARY
report "pid:$T" second --no-redact
hasnt FILE-CANARY
for secret in ARG ARG2 ENV NOTE INNER HOOK LOG; do
    grep -rqF "$secret-CANARY" "$REPORT" || fail "--no-redact took $secret-CANARY away"
done
# A secret on our own command line, and in what we say is missing.
report runc:x --runc-root "$WORK/token=PATH-CANARY"
grep -rlF PATH-CANARY "$REPORT" && fail "the command line is in the report"

# --- what is broken ---

mkfifo "$STORE/pid/$T/second/logs/fifo"
echo LINK-CANARY >"$WORK/other"
ln -s "$WORK/other" "$STORE/pid/$T/second/logs/link.log"
echo '{"process": {"env": ["A=CANARY"' >"$STORE/pid/$T/second/runtime/config.json"
echo 'no manifest' >"$STORE/pid/$T/second/manifest.json"
report "pid:$T" second
has_members checkpoint/{files.txt,logs/dump.log}
hasnt CANARY
check_has "$OUT" "missing  checkpoint/info.json: "
check_has "$OUT" "missing  checkpoint/logs/link.log: "
check_has "$OUT" "missing  checkpoint/logs/fifo: "
check_has "$OUT" "missing  checkpoint/runtime/config.json: it is no JSON: what of it is secret can't be told"
report "pid:$T" none
check_has "$OUT" "missing  checkpoint: there is no checkpoint 'none'"
report "pid:$T" ../../etc
check_has "$OUT" "missing  checkpoint: "

report nobody-knows-it
check_has "$ERR" "stasis: warning: no runtime knows 'nobody-knows-it', and the store holds nothing of that name"
check_has "$OUT" "missing  target: no runtime knows"
has_members "${HOST[@]}"
report pid:2147483646
check_has "$ERR" "stasis: warning: pid knows no '2147483646'"

STASIS_CRIU=/nowhere/criu report "pid:$T"
check_has "$OUT" "missing  host/criu.txt: cannot start '/nowhere/criu': No such file or directory"
has_members target/check.json checkpoint/files.txt
check_has "$(<"$REPORT/target/check.json")" "no-criu"
script eof-at:version
report
check_has "$(<"$REPORT/host/check.json")" "does not work: CRIU ended without an answer at its start"
script ''
mkdir "$WORK/empty"
script refuse:post-dump
PATH=$WORK/empty expect 0 stasis bug-report --output "$WORK/no-programs.tar.zst"
check_has "$OUT" "missing  host/uname.txt: cannot start 'uname': No such file or directory"

cp "$STASIS" "$WORK/stasis"
chmod 0755 "$WORK/stasis"
mkdir -m 0777 "$WORK/open"
expect 0 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$WORK/stasis" --store "$STORE" \
    bug-report "pid:$T" --output "$WORK/open/nobody.tar.zst"
check_has "$OUT" "missing  target/check.json: stasis needs root"
check_has "$OUT" "  host/cpu.txt"
check_has "$OUT" "missing  failures: cannot list '$STORE'"
