#!/usr/bin/env bash
# move-to-host between two hosts of one kernel: a container arrives with its memory and files and is gone here; and
# whatever fails on the way, exactly one of the two has it, and it goes on.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

second_host_setup

echo "== a counter, with files of all kinds"
new_container counter counter
echo old >"$BUNDLE/rootfs/data/old"
touch -d @1000 "$BUNDLE/rootfs/data/old"
ln "$BUNDLE/rootfs/data/old" "$BUNDLE/rootfs/data/link"
mkfifo "$BUNDLE/rootfs/data/fifo"
ln -s nowhere "$BUNDLE/rootfs/data/dangling"
before=$(counter_in "$STATUS")
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}"
goes_on "$THERE" "$before"
runs_there || fail "runc there does not say that $ID runs"
! rc list -q | grep -qx "$ID" || fail "runc here still has $ID"
check_eq "$(cd "$HOST_B/srv/$ID/rootfs/data" && stat -c '%n %F %Y %h' link old fifo dangling)" \
    "$(cd "$BUNDLE/rootfs/data" && stat -c '%n %F %Y %h' link old fifo dangling)" "files that came over"
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
"$PYTHON" - "$OUT" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[1])
assert report["mode"] == "stop-copy" and report["target"].startswith("runc:"), report
assert 0 < report["downtime_us"] < report["total_us"], report
assert 0 < report["bytes_sent_frozen"] < report["bytes_sent"], report
print("down for", report["downtime_us"], "µs of", report["total_us"])
PYTHON
rc_b delete --force "$ID"
rm -rf "$HOST_B/srv/$ID" "$HOST_B/store/runc"
