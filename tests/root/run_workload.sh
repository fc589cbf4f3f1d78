#!/usr/bin/env bash
# run_workload.sh NAME: takes the container of workloads/NAME.sh through snapshot, a restore into
# the past, stateful-stop and restore, and compares its state each time.
set -euo pipefail
name=${1:?usage: run_workload.sh NAME}
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
# shellcheck source=/dev/null
. "$TESTS_DIR/workloads/$name.sh"
ID=$(unique_id "$name")

step() { echo "$name: $*"; }

# run_stasis COMMAND ARG...: with its JSON in $OUT, and a line on how long the target stood still.
run_stasis() {
    step "stasis $*"
    expect_exit 0 stasis --json "$@"
    "$PYTHON" -c '
import json, sys
result = json.loads(sys.argv[1])
if "freeze_us" in result:
    print("    freeze %.1f ms, total %.1f ms" % (result["freeze_us"] / 1e3, result.get("total_us", 0) / 1e3))' "$OUT"
}

process_gone() { ! process_is "$1"; }
no_tasks() { [ -z "$(container_tasks "$ID")" ]; }

# Whether a connection with somebody outside must have survived: never a jump into the past,
# because the other end has moved on. Read by the workloads.
export OUTSIDE_SURVIVES=true

workload_setup
workload_work

past=$(workload_state)
run_stasis snapshot "runc:$ID" s1
workload_verify "$past"
workload_work

step "back to s1"
before=$(process_identity "$(container_pid "$ID")")
run_stasis restore "runc:$ID" s1 --replace
wait_for 10 "the replaced container's end" process_gone "$before"
OUTSIDE_SURVIVES=false
workload_verify "$past"
OUTSIDE_SURVIVES=true
workload_work

last=$(workload_state)
before=$(process_identity "$(container_pid "$ID")")
run_stasis stateful-stop "runc:$ID"
wait_for 10 "the stopped container's end" process_gone "$before"
! container_runs "$ID" || fail "$ID runs after stateful-stop"
wait_for 10 "no task after stateful-stop" no_tasks

run_stasis restore "runc:$ID"
workload_verify "$last"
assert_no_leftovers
workload_work
workload_verify "$(workload_state)"
workload_teardown
step "ok"
