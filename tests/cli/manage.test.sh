#!/usr/bin/env bash
# list, info, verify, delete: what they print for people and for scripts.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root

works stasis list
check_eq "$OUT" "TARGET  CHECKPOINT  KIND  CREATED  SIZE  STATE" "list of nothing"
works stasis --json list
check_eq "$(json d)" "{'checkpoints': [], 'moves': []}" "list --json of nothing"
works stasis verify
check_eq "$OUT" "" "verify of nothing"
[ ! -e "$STORE" ] || fail "looking made a store"

start_target
works stasis snapshot "pid:$T" one
script kill-at:end
works stasis stateful-stop "pid:$T"
stop=$(names | tr ' ' '\n' | grep stop-)
script ''
mkdir -p "$STORE/pid/$T/dead.partial/images" "$STORE/pid/$T/failed-20260101T000000Z/logs"
echo "not ours" >"$STORE/README"

DATE='20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z'
works stasis list
check_like "$OUT" "TARGET +CHECKPOINT +KIND +CREATED +SIZE +STATE
pid:$T +dead +- +- +- +interrupted
pid:$T +one +snapshot +$DATE +[0-9.]+ KiB +sealed
pid:$T +$stop +stop +$DATE +[0-9.]+ KiB +sealed"
works stasis --json list "pid:$T"
check_eq "$(json '[sorted(c) for c in d["checkpoints"]] == [["bytes", "checkpoint", "created", "kind", "state", "target"]] * 3')" True "keys"
check_eq "$(json '[[c["target"], c["checkpoint"], c["kind"], c["state"]] for c in d["checkpoints"]]')" \
    "[['pid:$T', 'dead', None, 'interrupted'], ['pid:$T', 'one', 'snapshot', 'sealed'], ['pid:$T', '$stop', 'stop', 'sealed']]" "list --json"
check_eq "$(json 'd["checkpoints"][1]["bytes"] == '"$(cat "$STORE/pid/$T/one/images"/* | wc -c)")" True "bytes are those of the images"
works stasis list "$T" # by its bare name, though the process is gone
check_has "$OUT" "pid:$T"

works stasis info "pid:$T"
check_like "$OUT" "pid:$T '$stop' \(stop\)
  created  $DATE
  path     $STORE/pid/$T/$stop
  host     .*, kernel .*
  made by  stasis [0-9.]+, CRIU 4\.1\.1
  frozen   [0-9.]+ m?s
  memory   [0-9.]+ KiB, unchanged pages shared with 'one'
  rootfs   0 B of - \(none\)
  tasks    1
 +$T sleep"
works stasis --json info "pid:$T" one
check_eq "$(json 'sorted(d)')" "['architecture', 'checkpoint', 'created', 'criu', 'format', 'freeze_us', 'host', 'image_bytes', 'kernel', 'kind', 'options', 'parent', 'path', 'rootfs', 'rootfs_bytes', 'stasis', 'target', 'tasks']" "keys of info"
check_eq "$(json '[d["target"], d["checkpoint"], d["kind"], d["format"], d["criu"], d["rootfs"]["backend"], d["tasks"]]')" \
    "['pid:$T', 'one', 'snapshot', 2, '4.1.1', 'none', [{'pid': $T, 'command': 'sleep'}]]" "info --json"

works stasis --json verify "pid:$T" one
check_eq "$(json d)" "{'checkpoints': [{'target': 'pid:$T', 'checkpoint': 'one', 'whole': True, 'problems': []}]}" "verify --json"
expect 6 stasis verify # the remains of a run are no checkpoint
check_has "$OUT" "pid:$T 'dead': DAMAGED
    it is interrupted"

works stasis --json delete "pid:$T" one
check_eq "$(json d)" "{'target': 'pid:$T', 'deleted': ['one']}" "delete --json"
check_eq "$(names)" "lock $stop" "delete takes the remains of failures along"
works stasis delete "pid:$T" "$stop"
check_eq "$OUT" "" "delete is silent"
check_eq "$(names)" lock "after delete"
works stasis list "pid:$T"
check_hasnt "$OUT" "pid:$T"
