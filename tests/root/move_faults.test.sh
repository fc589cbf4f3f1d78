#!/usr/bin/env bash
# What can fail in a move, on either host and in between, at every moment: afterwards exactly one host has the container,
# running or ready to be restored, and the other one is clean.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

FAULTS=0
FAULT_FOLDER=$WORK/fault
export FAULT_LOG=$FAULT_FOLDER/log FAULT_CRIU
FAULT_CRIU=$(command -v criu)
mkdir "$FAULT_FOLDER"
cp "$TESTS_DIR/fault_criu.py" "$FAULT_FOLDER/criu"
# The ssh that the move has started, and its whole way to the second host.
cat >"$FAULT_FOLDER/kill-link" <<SH
#!/bin/sh
kill -KILL \$(pgrep -f "^ssh -F $HOST_B/ssh_config .* receive\$")
SH
cat >"$FAULT_FOLDER/kill-source" <<SH
#!/bin/sh
kill -KILL \$(pgrep -f "^$STASIS --store $STASIS_STORE .* move-to-host ")
SH
# Does what was restored there run already? Its file says so.
cat >"$FAULT_FOLDER/watch-there" <<SH
#!/bin/sh
before=\$(cat "\$1")
i=0
while [ \$((i += 1)) -le 200 ]; do
    [ "\$(cat "\$1")" = "\$before" ] || { echo ran >>"$FAULT_LOG"; break; }
done
SH
chmod +x "$FAULT_FOLDER"/{kill,watch}-*

nothing_moves() { [ -z "$(run_processes 'criu|stasis|rsync|runc.*|nft|ssh')" ]; }

# fault HOST WHAT NAME=VALUE...: a move with a fault in CRIU's work on `here` or `there`; its exit code is in $CODE.
fault() {
    local host=$1 what=$2 settings=() to=("${TO[@]}")
    shift 2
    FAULTS=$((FAULTS + 1)) BEFORE=$(counter_in "$STATUS") CODE=0
    rm -f "$FAULT_LOG"*
    settings=("STASIS_CRIU=$FAULT_FOLDER/criu" "FAULT_CRIU=$FAULT_CRIU" "FAULT_LOG=$FAULT_LOG" "$@")
    if [ "$host" = there ]; then
        to[-1]="env $(printf "'%s' " "${settings[@]}") ${to[-1]}"
        settings=()
    fi
    env "${settings[@]}" "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" move-to-host "$TARGET" "$HOST" \
        "${to[@]}" >"$WORK/out" 2>"$WORK/err" </dev/null || CODE=$?
    ERR=$(<"$WORK/err")
    grep -sqx fired "$FAULT_LOG" || fail "nothing happened: $what on $host
$(tail -n +1 "$FAULT_LOG"* 2>/dev/null)
--- stderr
$ERR"
    wait_for 30 "the end of what the struck move started" nothing_moves
    echo "fault $FAULTS: $what on $host: exit code $CODE"
}

# The container never left: it runs on here, and there is nothing of it there.
stayed() { # CODE...
    [[ " $* " = *" $CODE "* ]] || fail "exit code $CODE, expected one of $*: $ERR"
    goes_on "$STATUS" "$BEFORE"
    nothing_there
    # A killed one leaves what it had written or sealed; the next dump clears away the former.
    [ "$CODE" != 137 ] || rm -rf "$STASIS_STORE/runc/$ID"/stop-*
    no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE" -maxdepth 3)"
    assert_no_leftovers
    check_eq "$(find "$STASIS_STORE" -name .move.json)" "" "records of moves"
}

# It is dead here, with its state, which brings it back.
sealed_here() { # CODE
    check_eq "$CODE" "$1" "exit code ($ERR)"
    ! container_runs "$ID" || fail "$ID runs"
    nothing_there
    expect_exit 6 stasis restore "$TARGET"
    grep -q "it may run there" <<<"$ERR" || fail "no word of the move: $ERR"
    expect_exit 0 stasis restore "$TARGET" --ignore-misfit moved
    stayed "$1"
}

recovered() { # WHERE: and nothing is left that was of the move
    expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --recover
    grep -q "\"where\": \"$1\"" <<<"$OUT" || fail "the recovery says: $OUT"
    CODE=0
    stayed 0
}

stayed_for_now() { # CODE: it runs on here; there are remains there
    check_eq "$CODE" "$1" "exit code ($ERR)"
    wait_for 10 "$TARGET to count" counts_beyond "$STATUS" "$BEFORE"
    grep -q '"arriving"' "$HOST_B/store/runc/$ID/.move.json" || fail "nothing of it is there"
}

# When the container is the second host's and its memory is on the way: kills what brings it, or who waits for that.
cat >"$FAULT_FOLDER/loader" <<SH
#!/bin/sh
victim=\$STASIS_PID
if [ "\$1" = loader ]; then
    victim=\$(pgrep -P "\$STASIS_PID" -x criu) || exit
    # Not for who is to go on: its epoll_wait() would be interrupted, and CRIU (4.2.1) takes that for its end.
    kill -STOP \$victim
fi
(
    until grep -q '"arrived"' "$HOST_B"/store/runc/*/.move.json; do :; done
    kill -KILL \$victim
) >"$FAULT_FOLDER/loader.log" 2>&1 &
SH
chmod +x "$FAULT_FOLDER/loader"

second_host_setup
new_container counter counter

for at in pre-dump post-dump; do
    fault here "kill -9 of stasis at $at" "FAULT_AT=$at:asked" FAULT_KILL=stasis
    stayed 137
    fault here "kill -9 of criu at $at" "FAULT_AT=$at:asked" FAULT_KILL=criu
    stayed 1 6 # it goes on as soon as CRIU is dead: the other host may find that its files have changed by then
    fault here "kill -9 of ssh at $at" "FAULT_AT=$at:asked" "FAULT_DO=$FAULT_FOLDER/kill-link"
    stayed 1
    fault here "SIGINT at $at" "FAULT_AT=$at:asked" FAULT_KILL=stasis FAULT_SIGNAL=INT
    stayed 130
done
for at in start post-restore end; do
    fault there "kill -9 of the receiver at $at" "FAULT_AT=$at:asked" FAULT_KILL=stasis
    stayed 1
done
fault there "a look at what was restored" FAULT_AT=end:asked "FAULT_DO=$FAULT_FOLDER/watch-there $THERE; exec $FAULT_FOLDER/kill-link"
! grep -qx ran "$FAULT_LOG" || fail "it ran there before it was dead here"
stayed 1
fault there "kill -9 of criu at post-restore" FAULT_AT=post-restore:asked FAULT_KILL=criu
stayed 1
log=$(sed -n 's/^stasis: log: //p' <<<"$ERR")
[[ $log = */restore-there.log ]] || fail "the log of the second host's CRIU is not here: $ERR"
grep -q "Restoring" "$log" || fail "no log of a restore: $(head "$log")"
fault there "kill -9 of ssh at post-restore" FAULT_AT=post-restore:asked "FAULT_DO=$FAULT_FOLDER/kill-link"
stayed 1
fault there "kill -9 of the source at post-restore" FAULT_AT=post-restore:asked "FAULT_DO=$FAULT_FOLDER/kill-source"
stayed 137

fault here "kill -9 of ssh at the source's death" FAULT_AT=post-dump:answered "FAULT_DO=$FAULT_FOLDER/kill-link"
stayed 1
fault here "kill -9 of ssh after the source's death" FAULT_AT=end:asked "FAULT_DO=$FAULT_FOLDER/kill-link"
stayed 1
fault here "kill -9 of stasis at the source's death" FAULT_AT=post-dump:answered FAULT_KILL=stasis
sealed_here 137
fault here "kill -9 of stasis after the source's death" FAULT_AT=end:asked FAULT_KILL=stasis
sealed_here 137
fault here "kill -9 of stasis after the source's death, then --recover" FAULT_AT=end:asked FAULT_KILL=stasis
expect_exit 0 stasis list
grep -q "$TARGET was interrupted on its way to $HOST" <<<"$OUT" || fail "list does not say so: $OUT"
recovered here
# The other one was killed as well: it never ran there, and is still held there. It had been there once, and left: that is
# known there again afterwards.
RECORD_THERE=$HOST_B/store/runc/$ID/.move.json
mkdir -p "${RECORD_THERE%/*}"
echo '{"id": "1", "state": "left", "peer": "earlier", "checkpoint": "", "made": [], "runtime_details": null}' \
    >"$RECORD_THERE"
fault there "kill -9 of both at the end" FAULT_AT=end:asked "FAULT_DO=$FAULT_FOLDER/kill-source" FAULT_KILL=stasis
stayed_for_now 137
stasis_b --json move-to-host "$TARGET" --recover >"$WORK/out"
grep -q '"nowhere here"' "$WORK/out" || fail "the second host's recovery says: $(<"$WORK/out")"
stasis_b list | grep -q "$TARGET is on earlier now" || fail "it is not known any more that it left: $(cat "$RECORD_THERE")"
rm "$RECORD_THERE"
stayed 137
recovered here

# The link breaks when "go" has passed: a frame of two bytes, field 14, empty. Then nobody gets through while
# $WORK/closed is there.
CUT=("${TO[@]}")
CUT[1]="$TESTS_DIR/cut_ssh.py 020000007200 there pass $WORK/closed $FAULT_LOG $SSH"

# It arrived: it runs there, and is gone here.
arrived() { # CODE
    check_eq "$CODE" "$1" "exit code ($ERR)"
    goes_on "$THERE" "$BEFORE"
    runs_there || fail "runc there does not say that $ID runs"
    ! container_runs "$ID" || fail "$ID runs here as well"
}

cut_move() {
    FAULTS=$((FAULTS + 1)) BEFORE=$(counter_in "$STATUS") CODE=0
    rm -f "$FAULT_LOG"* "$WORK/closed"
    stasis move-to-host "$TARGET" "$HOST" "${CUT[@]}" >"$WORK/out" 2>"$WORK/err" </dev/null &
    MOVE=$!
    wait_for 30 "the cut" grep -sqx fired "$FAULT_LOG"
}

cut_moved() { # WHAT
    wait "$MOVE" || CODE=$?
    ERR=$(<"$WORK/err")
    wait_for 30 "the end of what the struck move started" nothing_moves
    echo "fault $FAULTS: $1: exit code $CODE"
}

cut_move
wait_for 30 "it to run there" counts_beyond "$THERE" "$BEFORE"
rm "$WORK/closed" # the network is back
cut_moved "the link is cut after the last word, and comes back"
arrived 0
! rc list -q | grep -qx "$ID" || fail "runc here still has $ID"
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
rc_b delete --force "$ID"
rm -rf "${HOST_B:?}"/{srv,store}/*

new_container lost counter
echo old >"$BUNDLE/rootfs/data/secret"
touch -d @1000 "$BUNDLE/rootfs/data/secret"
cat >"$FAULT_FOLDER/change" <<SH
#!/bin/sh
echo new >"$BUNDLE/rootfs/data/secret"
touch -d @1000 "$BUNDLE/rootfs/data/secret"
SH
chmod +x "$FAULT_FOLDER/change"
fault here "a change behind an old time stamp after the first copy" FAULT_AT=pre-dump:asked "FAULT_DO=$FAULT_FOLDER/change"
arrived 0
check_eq "$(<"$HOST_B/srv/$ID/rootfs/data/secret")" new "the file that was changed in secret"
rc_b delete --force "$ID"
rm -rf "${HOST_B:?}"/{srv,store}/*

new_container last counter
cut_move
wait_for 30 "it to run there" counts_beyond "$THERE" "$BEFORE"
kill -TERM "$(pgrep -f "^$STASIS .* move-to-host $TARGET ")"
cut_moved "the link is cut after the last word for good"
arrived 7
grep -q "does not say whether it runs there" <<<"$ERR" || fail "no word of it: $ERR"
expect_exit 6 stasis restore "$TARGET"
! container_runs "$ID" || fail "the refused restore brought it back"
rc_b delete --force "$ID"
expect_exit 0 stasis restore "$TARGET" --ignore-misfit moved
goes_on "$STATUS" "$BEFORE"
rm -rf "${HOST_B:?}"/{srv,store}/* "${STASIS_STORE:?}"/runc/*
rc delete --force "$ID"

new_container memory writer 256 20

# in_round WHAT COMMAND...: a move with a fault in the second round of the memory that is copied ahead.
in_round() {
    FAULTS=$((FAULTS + 1)) BEFORE=$(counter_in "$STATUS") CODE=0
    stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --max-downtime 1 >"$WORK/out" 2>"$WORK/err" </dev/null &
    MOVE=$!
    wait_for 60 "the second round" second_round
    "${@:2}"
    wait "$MOVE" || CODE=$?
    ERR=$(<"$WORK/err")
    wait_for 30 "the end of what the struck move started" nothing_moves
    echo "fault $FAULTS: $1 in the second round: exit code $CODE"
}
second_round() { compgen -G "$STASIS_STORE/runc/$ID/*.partial/ahead/2"; }
kill_source() { kill "-$1" "$(pgrep -f "^$STASIS .* move-to-host $TARGET ")"; } # SIGNAL
kill_receiver() { kill -KILL "$(pgrep -f "^$STASIS --store $STASIS_STORE .* receive\$")"; }
fill_there() { ! in_host_b head -c 1G /dev/zero 2>/dev/null >"/proc/$HOST_B_PID/root$STASIS_STORE/filling"; }

in_round "kill -9 of stasis" kill_source KILL
stayed 137
in_round "SIGINT" kill_source INT
stayed 130
in_round "kill -9 of ssh" "$FAULT_FOLDER/kill-link"
stayed 1
in_round "kill -9 of the receiver" kill_receiver
stayed 1
in_host_b mount -t tmpfs -o size=420m,mode=0700 tmpfs "$STASIS_STORE"
in_round "no space on the second host" fill_there
in_host_b umount "$STASIS_STORE"
stayed 1
# Neither end hears of it: each finds that the other one is silent, and can't be asked.
in_round "the network of the second host is down" ip -n "$HOST_B_ID" link set lo down
ip -n "$HOST_B_ID" link set lo up
grep -q "could not be told to remove what came" <<<"$ERR" || fail "no word of what is left there: $ERR"
stayed 1
fault here "kill -9 of criu at post-dump, when memory was copied ahead" FAULT_AT=post-dump:asked FAULT_KILL=criu
stayed 1 6
fault there "kill -9 of the receiver at post-restore, when memory was copied ahead" FAULT_AT=post-restore:asked FAULT_KILL=stasis
stayed 1
# What is sealed here is whole by itself.
fault here "kill -9 of ssh at the source's death, when memory was copied ahead" FAULT_AT=post-dump:answered \
    "FAULT_DO=$FAULT_FOLDER/kill-link"
stayed 1
memory_is_right "$STATUS" "$(container_pid "$ID")"
fault there "kill -9 of what brings its memory, before the source's death" FAULT_AT=post-restore:asked \
    "FAULT_DO=pkill -KILL -P \$STASIS_PID -x criu"
stayed 1
fault there "kill -9 of what brings its memory, after the source's death" FAULT_AT=post-restore:asked \
    "FAULT_DO=$FAULT_FOLDER/loader loader"
check_eq "$CODE" 7 "exit code ($ERR)"
grep -q "stasis restore $TARGET.* there" <<<"$ERR" || fail "no word of where its state is: $ERR"
if container_runs "$ID" || [ -n "$(container_tasks "$ID")" ]; then fail "$ID runs"; fi
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
stasis_b restore "$TARGET"
goes_on "$THERE" "$BEFORE"
memory_is_right "$THERE" "$(pid_b)"
move_back_setup
stasis_b delete "$TARGET" "$(stasis_b --json list "$TARGET" | sed -n 's/.*"checkpoint": "\(.*\)".*/\1/p')"
move_back >/dev/null

fault there "kill -9 of the receiver while the memory is on the way" FAULT_AT=post-restore:asked \
    "FAULT_DO=$FAULT_FOLDER/loader receiver"
arrived 0
memory_is_right "$THERE" "$(pid_b)"
# What it was brought back from was nobody's any more, and goes with it.
move_back >/dev/null
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
goes_on "$STATUS" "$BEFORE"
rc delete --force "$ID"

echo "faults in all: $FAULTS"
check_ge "$FAULTS" 36 "number of faults"
