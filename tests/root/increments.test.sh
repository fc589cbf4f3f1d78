#!/usr/bin/env bash
# A snapshot writes what changed since the one before, shares the rest with it by hard links, and each stays whole by
# itself: whichever of them is deleted, the others come back as they were.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/workloads/memory.sh"

ID=$(unique_id increments)
export WORKLOAD_MEMORY_MB=160 # of which each work changes 10
workload_setup
declare -A PAST

value() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$OUT"; }
images() { echo "$STASIS_STORE/runc/$ID/$1/images"; }

# snapshot NAME ARG...: with PAST[NAME] for a later restore; its bytes are in $BYTES, its parent in $PARENT.
snapshot() {
    workload_work
    PAST[$1]=$(workload_state)
    expect_exit 0 stasis --json snapshot "runc:$ID" "$@"
    BYTES=$(value bytes_written) PARENT=$(value parent)
    echo "$1: $((BYTES >> 10)) KiB, parent '$PARENT'"
}

restores() { # NAME
    stasis restore "runc:$ID" "$1" --replace
    workload_verify "${PAST[$1]}"
}

echo "== only what changed is written"
snapshot first
check_eq "$PARENT" "" "parent of the first"
check_ge "$BYTES" $((160 << 20)) "bytes of the first"
for name in second third fourth; do
    snapshot "$name"
    check_ge $((11 * (10 << 20) / 10 + (2 << 20))) "$BYTES" "bytes of $name, of which 10 MiB changed"
done
check_eq "$PARENT" third "parent of the fourth"
snapshot small --buffer 4M
check_eq "$PARENT" fourth "parent of one with a small buffer"
check_ge $((13 << 20)) "$BYTES" "bytes of one with a small buffer"
check_eq "$(find "$(images small)" -name 'pages-1.img' | wc -l)" 5 "images of pages in its chain"
snapshot whole --full
check_eq "$PARENT" "" "parent with --full"
check_ge "$BYTES" $((160 << 20)) "bytes with --full"
for name in first third small whole; do restores "$name"; done
# The memory that follows, and what an earlier snapshot has of it, which comes first.
stasis restore "runc:$ID" fourth --replace --lazy
workload_verify "${PAST[fourth]}"

echo "== a stop state shares as well"
snapshot before
workload_work
LAST=$(workload_state)
expect_exit 0 stasis --json stateful-stop "runc:$ID"
STOP=$(value checkpoint)
check_eq "$(value parent)" before "parent of the stop state"
check_ge $((13 << 20)) "$(value bytes_written)" "bytes of the stop state"
stasis restore "runc:$ID"
workload_verify "$LAST"
PAST[$STOP]=$LAST

echo "== each is whole without the others"
for name in first third fourth before; do stasis delete "runc:$ID" "$name"; done
for name in second small "$STOP"; do
    expect_exit 0 stasis verify "runc:$ID" "$name"
    restores "$name"
done

echo "== nothing is built upon damage"
victim=$(images small)/hashes-1.img
flip "$victim" 64
expect_exit 6 stasis restore "runc:$ID" small --replace
stasis delete "runc:$ID" "$STOP"
stasis delete "runc:$ID" whole
snapshot after 2>"$WORK/err" || fail "no snapshot beside a damaged one: $(<"$WORK/err")"
check_eq "$PARENT" "" "parent of a snapshot after a damaged one"
grep -q "hashes-1.img' is not as it was sealed: all memory is written anew" <<<"$ERR" || fail "nothing said: $ERR"
restores after

echo "== a flipped byte in shared pages is found in each that has them"
snapshot next
check_eq "$PARENT" after "parent"
flip "$(images after)/pages-1.img" $((150 << 20))
for name in after next; do
    expect_exit 6 stasis verify "runc:$ID" "$name"
    expect_exit 6 stasis restore "runc:$ID" "$name" --replace
done

echo "== a chain ends"
stasis delete "runc:$ID" after
stasis delete "runc:$ID" next
stasis delete "runc:$ID" small
stasis delete "runc:$ID" second
longest=0
for number in 1 2 3 4 5 6 7 8 9 10 11; do
    snapshot "chain$number"
    depth=$(find "$(images "chain$number")" -type d | wc -l)
    [ "$depth" -le "$longest" ] || longest=$depth
done
check_eq "$longest" 10 "images in the longest chain"
check_eq "$PARENT" "" "parent of the eleventh"
restores chain10
workload_teardown
assert_no_leftovers
