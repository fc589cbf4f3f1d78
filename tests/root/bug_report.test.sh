#!/usr/bin/env bash
# bug-report of a real container, with a checkpoint and after a failed dump: each thing is in it, and
# neither what is in the container's memory and files nor its secrets.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"
need zstd

REPORTS=0
# report [ARG...]: makes a report and unpacks it into $REPORT.
report() {
    REPORTS=$((REPORTS + 1))
    REPORT=$WORK/report-$REPORTS
    expect_exit 0 stasis bug-report "$@" --output "$REPORT.tar.zst"
    tar --zstd -C "$WORK" -xf "$REPORT.tar.zst"
}
has_members() {
    local name
    for name in "$@"; do
        [ -s "$REPORT/$name" ] || fail "no $name in: $(cd "$REPORT" && find . -type f)
$OUT"
    done
}
has() { grep -qF -- "$2" "$REPORT/$1" || fail "no '$2' in $1: $(cat "$REPORT/$1")"; }
hasnt() { ! grep -rlaF -- "$1" "$REPORT" || fail "'$1' is in the report"; }

# The canary of the memory is put together in there: the arguments do not hold it whole.
ID=$(unique_id report) BUNDLE=$WORK/bundle
make_bundle "$BUNDLE"
echo "FILE-CANARY" >"$BUNDLE/rootfs/data/file"
# shellcheck disable=SC2016  # expanded in the container
bundle_args "$BUNDLE" /bin/sh -c 'memory=$(printf "%s-%s" MEMORY CANARY); exec 3</data/file; while :; do sleep 1; done; echo "$memory"' \
    --password ARG-CANARY --token=ARG-CANARY
bundle_set "$BUNDLE" '
c["process"]["env"].append("HARMLESS_NAME=ENV-CANARY")
c["annotations"] = {"org.example.token": "NOTE-CANARY", "org.example.name": "a kept annotation"}'
start_container "$ID" "$BUNDLE"
PID=$(container_pid "$ID")
holds_memory_canary() { grep -qaF MEMORY-CANARY "$STASIS_STORE/runc/$ID/one/images"/pages-*.img; }
sees_canary() { ls -l "/proc/$PID/fd/3"; }
wait_for 10 "the container to have its canary" sees_canary
stasis snapshot "runc:$ID" one
holds_memory_canary || fail "the canary is not in the memory that was dumped: this test would prove nothing"

# What reports inherit from here on, as from `flock FILE stasis …`, must not get into the self-test.
exec {LOCK}>"$WORK/lock"
flock "$LOCK"

echo "== a container with a checkpoint"
report "runc:$ID"
has_members report.json checkpoints.json host/{check.json,uname.txt,os-release.txt,criu.txt,runc.txt,rsync.txt,cpu.txt,mountinfo.txt} \
    runtime/{state,config}.json target/{check.json,mountinfo.txt,cgroup.txt,freezer.txt} \
    "target/$PID"/{status,open-files,mapped-files}.txt \
    checkpoint/{info.json,files.txt,runtime/config.json,logs/dump.log,logs/stats-dump}
has host/criu.txt "Version: "
check_eq "$("$PYTHON" -c 'import json, sys; print([f["ok"] for f in json.load(open(sys.argv[1]))["findings"] if f["what"] == "self-test"])' \
    "$REPORT/host/check.json")" "[True]" "self-test"
has runtime/state.json "$ID"
has runtime/config.json "a kept annotation"
has target/cgroup.txt "$ID"
has target/mountinfo.txt "$BUNDLE/rootfs / "
has "target/$PID/status.txt" "Pid:	$PID"
has "target/$PID/open-files.txt" "3 -> /data/file"
has "target/$PID/mapped-files.txt" "/bin/busybox"
has checkpoint/info.json '"one"'
has checkpoint/files.txt " images/pages-1.img"
has checkpoint/logs/dump.log "Dumping finished successfully"
hasnt -CANARY

echo "== unless it is asked for"
report "runc:$ID" one --no-redact
for secret in ENV ARG NOTE; do grep -rqF "$secret-CANARY" "$REPORT" || fail "--no-redact took $secret-CANARY away"; done
hasnt MEMORY-CANARY
hasnt FILE-CANARY

echo "== after a failed dump"
with_fault post-dump:asked FAULT_KILL=criu -- snapshot "runc:$ID" two
[ "$CODE" != 0 ] || fail "the dump did not fail"
report "runc:$ID"
FAILED=$(cd "$STASIS_STORE" && echo "runc/$ID"/failed-*)
has_members "failures/$FAILED/dump.log"
hasnt -CANARY

echo "== of a container that was stopped, by its stop state"
stasis stateful-stop "runc:$ID"
report "runc:$ID"
has_members runtime/{state,config}.json checkpoint/{info.json,runtime/config.json,logs/dump.log}
has checkpoint/info.json '"kind": "stop"'
grep -qF "missing  target: the container '$ID' is stopped" <<<"$OUT" || fail "it is not said to be stopped: $OUT"
hasnt -CANARY
