#!/usr/bin/env bash
# move-to-host between two hosts of one kernel: a container arrives with its memory and files and is gone here; and
# whatever fails on the way, exactly one of the two has it, and it goes on.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

status_differs() { [ "$(field "$1" "$(<"$2")")" != "$(field "$1" "$3")" ]; } # KEY FILE TEXT
status_beyond() { [ "$(field "$1" "$(<"$2")")" -gt "$(field "$1" "$3")" ]; }

# What may tell apart why a file is not the one that it was.
show_files() { ls -liL "$BUNDLE/rootfs/data" "$HOST_B/srv/$ID/rootfs/data" "/proc/$(pid_b)/fd/"; }

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
assert not report["lazy"] and report["downtime_us"] <= report["loaded_us"], report
assert 0 < report["bytes_sent_frozen"] < report["bytes_sent"], report
print("down for", report["downtime_us"], "µs of", report["total_us"])
PYTHON

echo "== back, and there again, over the files that it left"
move_back_setup
echo changed >"$HOST_B/srv/$ID/rootfs/data/old"
rm "$HOST_B/srv/$ID/rootfs/data/fifo"
for round in 1 2; do
    before=$(counter_in "$THERE")
    move_back >/dev/null
    goes_on "$STATUS" "$before"
    ! rc_b list -q | grep -qx "$ID" || fail "runc there still has $ID"
    check_eq "$(cd "$BUNDLE/rootfs/data" && cat link && ls)" $'changed\ndangling\nlink\nold' "files that came back ($round)"
    before=$(counter_in "$STATUS")
    move >/dev/null
    goes_on "$THERE" "$before"
done
! container_runs "$ID" || fail "$ID still runs here"
rc_b delete --force "$ID"

echo "== deleted files, locks, sockets, and a file that is written through a mapping all the time"
new_container files files /data
for round in 1 2 3 4 5; do
    before=$(<"$STATUS")
    move >/dev/null
    for key in counter echoes sequence; do
        wait_for 10 "$key" status_beyond $key "$THERE" "$before"
    done
    [ "$(field errors "$(<"$THERE")")" = none ] || show_files
    check_eq "$(field errors "$(<"$THERE")")" none "what is broken ($round)"
    check_eq "$(field nonce "$(<"$THERE")")" "$(field nonce "$before")" nonce
    move_back >/dev/null
done
rc delete --force "$ID"

echo "== an overlay, and a network device that was put in"
new_container overlay counter
rc delete --force "$ID"
mv "$BUNDLE/rootfs" "$BUNDLE/lower"
mkdir "$BUNDLE"/{rootfs,upper,work}
mount -t overlay overlay -o "lowerdir=$BUNDLE/lower,upperdir=$BUNDLE/upper,workdir=$BUNDLE/work" "$BUNDLE/rootfs"
start_container "$ID" "$BUNDLE"
wait_for 30 "the status of $ID" status_differs nonce "$STATUS" "nonce=$NONCE"
NONCE=$(field nonce "$(<"$STATUS")") before=$(counter_in "$STATUS")
in_container() { nsenter -t "$(container_pid "$ID")" --net "$@"; }
in_container ip link add put-in type veth peer name other
in_container ip address add 10.9.9.9/24 dev put-in
in_container ip link set put-in up
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
grep -q "not made again there.*: put-in$" <<<"$ERR" || fail "the device is not named: $ERR"
goes_on "$THERE" "$before"
rc_b delete --force "$ID"
umount "$BUNDLE/rootfs"

echo "== memory: it follows, from the other host's own disk"
new_container memory writer 256 20
before=$(counter_in "$STATUS")
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode stop-copy
goes_on "$THERE" "$before"
memory_is_right "$THERE" "$(pid_b)"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
"$PYTHON" - "$OUT" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[1])
assert report["lazy"] and report["downtime_us"] < report["loaded_us"] < report["total_us"], report
print("down for", report["downtime_us"], "µs, all in after", report["loaded_us"])
PYTHON

echo "== memory that is copied ahead, back and there again, while it is written"
assert_pre_copied() { # MODE: in the report is what was copied ahead, and most of the memory was
    "$PYTHON" - "$OUT" "$1" <<'PYTHON'
import json, sys
report, mode = json.loads(sys.argv[1]), sys.argv[2]
rounds = [one["bytes_sent"] for one in report["rounds"]]
print(mode, "down for", report["downtime_us"], "µs; rounds:", rounds, "frozen:", report["bytes_sent_frozen"])
assert report["mode"] == mode, report
if mode == "pre-copy":
    assert 2 <= len(rounds) <= 8 and rounds[0] > 256 << 20 and rounds[1] < rounds[0], rounds
    assert report["bytes_sent_frozen"] < rounds[0] / 2, report
else:
    assert rounds == [] and report["bytes_sent_frozen"] > 256 << 20, report
PYTHON
}
for mode in pre-copy stop-copy auto; do
    before=$(counter_in "$THERE")
    expect_exit 0 stasis_b --json move-to-host "$TARGET" a "${BACK[@]}" --mode $mode
    goes_on "$STATUS" "$before"
    memory_is_right "$STATUS" "$(container_pid "$ID")"
    assert_pre_copied ${mode/auto/pre-copy}
    before=$(counter_in "$STATUS")
    expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode $mode --max-downtime 1000
    goes_on "$THERE" "$before"
    memory_is_right "$THERE" "$(pid_b)"
    assert_pre_copied ${mode/auto/pre-copy}
done
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
rc_b delete --force "$ID"

echo "== 1 GiB of which 50 MB are written in a second, and what is said meanwhile"
new_container large writer 1024 122
before=$(counter_in "$STATUS")
expect_exit 0 stasis -v --json move-to-host "$TARGET" "$HOST" "${TO[@]}"
goes_on "$THERE" "$before"
memory_is_right "$THERE" "$(pid_b)"
for text in 'ahead, round 1: [0-9]+ % at [0-9]+ MiB/s, [0-9]+ s left' \
    'round 2, [0-9.]+ MiB at [0-9.]+ MiB/s, [0-9.]+ MiB/s change: it would stand still for'; do
    grep -qE "$text" <<<"$ERR" || fail "not said: $text: $ERR"
done
"$PYTHON" - "$OUT" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[1])
print("down for", report["downtime_us"], "µs; rounds:", [one["bytes_sent"] for one in report["rounds"]])
names = [phase["name"] for phase in report["phases"]]
assert names == ["connect", "check", "files", "memory ahead", "prepare", "dump", "last changes", "seal", "restore",
                 "end it here", "let it go there", "clean up", "memory behind"], names
spent = sum(phase["us"] for phase in report["phases"])
assert 0.9 * report["total_us"] < spent <= report["total_us"], report
PYTHON
rc_b delete --force "$ID"

echo "== no rounds that make nothing shorter, whatever the aim"
new_container still memory 64
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode pre-copy --max-downtime 1
check_eq "$("$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["rounds"]))' <<<"$OUT")" 2 "rounds of a still one"
rc_b delete --force "$ID"
assert_no_leftovers
