#!/usr/bin/env bash
# move-to-host between two hosts of one kernel: a container arrives with its memory and files and is gone here; and
# whatever fails on the way, exactly one of the two has it, and it goes on.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

status_differs() { [ "$(field "$1" "$(<"$2")")" != "$(field "$1" "$3")" ]; } # KEY FILE TEXT
status_beyond() { [ "$(field "$1" "$(<"$2")")" -gt "$(field "$1" "$3")" ]; }

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

echo "== back, and there again, over the files that it left"
cat >"$WORK/ssh-back" <<SH
#!/bin/sh
shift # the host
exec sh -c "\$*"
SH
chmod +x "$WORK/ssh-back"
# Only processes that are not its own say where the first host's namespaces are.
BACK=(--ssh "nsenter -t $$ --mount --net --uts --cgroup $WORK/ssh-back" --remote-stasis
    "$STASIS --store $STASIS_STORE --runc-root $RUNC_ROOT")
echo changed >"$HOST_B/srv/$ID/rootfs/data/old"
rm "$HOST_B/srv/$ID/rootfs/data/fifo"
for round in 1 2; do
    before=$(counter_in "$THERE")
    in_host_b "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" move-to-host "$TARGET" a "${BACK[@]}" >/dev/null
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
for round in 1 2 3; do
    before=$(<"$STATUS")
    move >/dev/null
    for key in counter echoes sequence; do
        wait_for 10 "$key" status_beyond $key "$THERE" "$before"
    done
    check_eq "$(field errors "$(<"$THERE")")" none "what is broken ($round)"
    check_eq "$(field nonce "$(<"$THERE")")" "$(field nonce "$before")" nonce
    in_host_b "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" move-to-host "$TARGET" a "${BACK[@]}" >/dev/null
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

echo "== memory"
new_container memory memory 64
kill -USR1 "$(container_pid "$ID")"
wait_for 30 "work" status_beyond work "$STATUS" work=0
before=$(<"$STATUS")
move
wait_for 10 "$ID there" runs_there
kill -USR2 "$(rc_b state "$ID" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')"
wait_for 60 "a new checksum" status_differs checks "$THERE" "$before"
for key in nonce sum work; do
    check_eq "$(field $key "$(<"$THERE")")" "$(field $key "$before")" "$key"
done
rc_b delete --force "$ID"
assert_no_leftovers
