#!/usr/bin/env bash
# Compressed memory: smaller, whole, restored as it was, by itself and in a chain with other ways; damage is found; and
# what is unpacked for a restore goes away again, whoever dies in the middle.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/workloads/python.sh"

ID=$(unique_id compress)
workload_setup
declare -A PAST

value() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$OUT"; }
folder() { echo "$STASIS_STORE/runc/$ID/$1"; }
unpacked() { find "$STASIS_STORE" /run/stasis/plain -name '*.unpacked' -o -path "*plain/runc:$ID" 2>/dev/null || true; }

snapshot() { # NAME ARG...
    workload_work
    PAST[$1]=$(workload_state)
    expect_exit 0 stasis --json snapshot "runc:$ID" "$@"
    BYTES=$(value bytes_written)
    echo "$*: $((BYTES >> 10)) KiB"
}

restores() { # NAME ARG...
    expect_exit 0 stasis restore "runc:$ID" "$@" --replace
    OUTSIDE_SURVIVES=false workload_verify "${PAST[$1]}"
    check_eq "$(unpacked)" "" "what was unpacked"
}

echo "== each way"
snapshot plain --full
FULL=$BYTES
for how in lz4 zstd zstd:12; do
    snapshot "full-$how" --full --compress "$how"
    check_ge "$((FULL * 7 / 10))" "$BYTES" "bytes with $how"
    expect_exit 0 stasis verify "runc:$ID" "full-$how"
    restores "full-$how"
done

echo "== a chain of all ways"
snapshot chain1 --full --compress zstd
snapshot chain2 --compress lz4
snapshot chain3
snapshot chain4 --compress zstd:19
for name in chain4 chain3 chain2; do restores "$name"; done
restores chain1 --lazy
workload_work
LAST=$(workload_state)
expect_exit 0 stasis stateful-stop "runc:$ID" --compress lz4 --full
check_ge "$(find "$STASIS_STORE/runc/$ID"/stop-*/images -maxdepth 1 -name '*.lz4' | wc -l)" 1 "compressed images of a stop"
expect_exit 0 stasis restore "runc:$ID"
OUTSIDE_SURVIVES=false workload_verify "$LAST"

echo "== usage, and what can't be compressed"
expect_exit 2 stasis snapshot "runc:$ID" --compress gzip
expect_exit 0 stasis snapshot "runc:$ID" unbuffered --compress zstd --buffer 0
grep -q "is not compressed" <<<"$ERR" || fail "nothing said of memory that is not compressed: $ERR"

echo "== a flipped byte"
PAGES=$(find "$(folder chain1)/images" -name '*.zst' -size +64k | head -n 1)
cp "$PAGES" "$WORK/whole"
printf '\xff\x00\xff' | dd of="$PAGES" conv=notrunc bs=1 seek=30000 status=none
expect_exit 6 stasis verify "runc:$ID" chain1
expect_exit 6 stasis restore "runc:$ID" chain1 --replace
expect_exit 6 stasis restore "runc:$ID" chain4 --replace
echo "-- not even unseen"
expect_exit 6 stasis restore "runc:$ID" chain1 --replace --no-verify
container_runs "$ID" || fail "a checkpoint that can't be unpacked has cost the running container"
check_eq "$(unpacked)" "" "what was unpacked"
dd if="$WORK/whole" of="$PAGES" conv=notrunc status=none
expect_exit 0 stasis verify "runc:$ID" chain4

echo "== remains of an earlier run"
mkdir -p "$(folder .chain4.unpacked)/images" "/run/stasis/plain/runc:$ID"
echo rubbish >"$(folder .chain4.unpacked)/images/pages-1.img"
restores chain4
mkdir -p "$(folder .chain4.unpacked)"
expect_exit 0 stasis delete "runc:$ID" chain4
check_eq "$(unpacked)" "" "what an earlier run unpacked"

echo "== no room on the disk: unpacked in memory"
mkdir "$WORK/small"
mount -t tmpfs -o size=48M,mode=0700 tmpfs "$WORK/small"
(
    STASIS_STORE=$WORK/small/store
    expect_exit 0 stasis --json stateful-stop "runc:$ID" --compress zstd --ignore-blockers --rootfs none
    expect_exit 0 stasis restore "runc:$ID"
    check_eq "$(unpacked)" "" "what was unpacked"
)
umount "$WORK/small"
workload_work
workload_teardown
assert_no_leftovers
