#!/usr/bin/env bash
# move-to-host --mode post-copy: the container runs on the other host before its memory is there. Should that break off,
# it goes on here as it was when it was frozen, and nothing of it runs there.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

second_host_setup

echo "== one with so little memory that all is in before it runs"
new_container counter counter
before=$(counter_in "$STATUS")
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode post-copy
goes_on "$THERE" "$before"
rc_b delete --force "$ID"
rm -rf "${HOST_B:?}"/{srv,store}/* "${STASIS_STORE:?}"/*

new_container memory writer 256 20

assert_report() { # it ran before its memory was in, of which some may be there by then
    "$PYTHON" - "$OUT" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[1])
print("down for", report["downtime_us"], "µs; all in after", report["loaded_us"], "µs")
assert report["mode"] == "post-copy" and report["lazy"] and report["rounds"] == [], report
assert report["downtime_us"] < report["loaded_us"] < report["total_us"], report
assert report["bytes_sent"] > 256 << 20 and report["bytes_sent_frozen"] < 200 << 20, report
PYTHON
}

echo "== there and back, twice, while it is written"
move_back_setup
for round in 1 2; do
    before=$(counter_in "$STATUS")
    expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode post-copy
    goes_on "$THERE" "$before"
    memory_is_right "$THERE" "$(pid_b)"
    assert_report
    grep -q "until all its memory is there" <<<"$ERR" || fail "no warning of the risk ($round): $ERR"
    ! container_runs "$ID" || fail "$ID still runs here"
    no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
    before=$(counter_in "$THERE")
    OUT=$(stasis_b --json move-to-host "$TARGET" a "${BACK[@]}" --mode post-copy)
    goes_on "$STATUS" "$before"
    memory_is_right "$STATUS" "$(container_pid "$ID")"
    assert_report
    no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
done
rm -rf "${HOST_B:?}"/{srv,store}/*

echo "== what can't be"
expect_exit 2 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode post-copy --keep-source
grep -q "leaves no state here" <<<"$ERR" || fail "no word of why: $ERR"

FAULTS=0
# A move while whose memory follows, which is made to take its time.
begin() { # [OPTION...]: of the way there
    FAULTS=$((FAULTS + 1)) BEFORE=$(counter_in "$STATUS") CODE=0
    stasis move-to-host "$TARGET" "$HOST" "${@:-${TO[@]}}" --mode post-copy --bwlimit 16M >"$WORK/out" 2>"$WORK/err" </dev/null &
    MOVE=$!
    wait_for 60 "it to run there" counts_there
}
counts_there() { [ -s "$THERE" ] && counts_beyond "$THERE" "$(counter_in "$STATUS")"; }
end() { # WHAT
    wait "$MOVE" || CODE=$?
    ERR=$(<"$WORK/err")
    wait_for 30 "the end of what the struck move started" nothing_moves
    echo "fault $FAULTS: $1: exit code $CODE"
}
nothing_moves() { [ -z "$(run_processes 'criu|stasis|rsync|runc.*|nft|ssh')" ]; }
strike() { # WHAT COMMAND...
    local here
    begin
    here=$(counter_in "$STATUS")
    "${@:2}"
    end "$1, while the memory follows"
    [ "$here" -le "$(counter_in "$STATUS")" ] || fail "it counted here while it ran there"
}

# It goes on here, and nothing of it is left there.
stayed() { # CODE
    check_eq "$CODE" "$1" "exit code ($ERR)"
    goes_on "$STATUS" "$BEFORE"
    nothing_there
    memory_is_right "$STATUS" "$(container_pid "$ID")"
    assert_no_leftovers
    [ "$CODE" = 137 ] || no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
    check_eq "$(find "$STASIS_STORE" -name .move.json)" "" "records of moves"
}
its_ssh() { pgrep -f "^ssh -F $HOST_B/ssh_config .* receive\$"; }
its_receiver() { pgrep -f "^$STASIS --store $STASIS_STORE .* receive\$"; }
its_loader() { pgrep -f "^[^ ]*criu .*lazy-pages .*$STASIS_STORE"; }
its_dumper() { pgrep -P "$(its_move)" -x criu; }
its_move() { pgrep -f "^$STASIS .* move-to-host $TARGET "; }
strike_at() { kill "-$1" "$("${@:2}")"; } # SIGNAL WHO...

forget_moves() { rm -f "$STASIS_STORE/runc/$ID/.move.json"; } # that it came here before is not what is looked for
forget_moves
strike "SIGINT" strike_at INT its_move
stayed 130
strike "kill -9 of ssh" strike_at KILL its_ssh
stayed 1
grep -Eq '[0-9]+ of 2[0-9]+ MiB of its memory were there' <<<"$ERR" || fail "it does not say how far it came: $ERR"
strike "kill -9 of the receiver" strike_at KILL its_receiver
stayed 1
strike "kill -9 of what brings the memory" strike_at KILL its_loader
stayed 1
strike "kill -9 of CRIU here" strike_at KILL its_dumper
stayed 1
strike "kill -9 of stasis" strike_at KILL its_move
stayed 137
expect_exit 6 stasis restore "$TARGET" --replace
grep -q "has no memory" <<<"$ERR" || fail "what was left without its memory is not refused: $ERR"
goes_on "$STATUS" "$BEFORE"

# The link breaks at "loaded" (a frame of three bytes, field 18, empty), which still passes or does not. Then nobody gets
# through while $WORK/closed is there.
breaking_ssh() { echo "$TESTS_DIR/cut_ssh.py 03000000920100 back $1 $WORK/closed $WORK/fired $SSH"; } # pass|hold
CUT=("${TO[@]}")

echo "== nobody is left there who could be asked"
CUT[1]=$(breaking_ssh pass)
begin "${CUT[@]}"
touch "$WORK/closed"
strike_at KILL its_receiver
end "kill -9 of the receiver, while nobody else gets through"
check_eq "$CODE" 1 "exit code ($ERR)"
grep -q "could not be told to remove what came" <<<"$ERR" || fail "no word of what is left there: $ERR"
goes_on "$STATUS" "$BEFORE"
rm "$WORK/closed"
expect_exit 0 stasis_b move-to-host "$TARGET" --recover
nothing_there

cut_move() { # pass|hold
    CUT[1]=$(breaking_ssh "$1")
    rm -f "$WORK"/{closed,fired}
    FAULTS=$((FAULTS + 1)) BEFORE=$(counter_in "$STATUS") CODE=0
    stasis move-to-host "$TARGET" "$HOST" "${CUT[@]}" --mode post-copy >"$WORK/out" 2>"$WORK/err" </dev/null &
    MOVE=$!
    wait_for 60 "the cut" test -e "$WORK/fired"
    wait_for 30 "the receiver to give up" no_receiver
    grep -q '"loaded"' "$HOST_B/store/runc/$ID/.move.json" || fail "the second host does not know that all is there"
    grep -q "State:.T" "/proc/$(pid_b)/status" || fail "it runs on there, and nobody knows whether it runs here"
    if stasis_b move-to-host "$TARGET" --recover 2>"$WORK/err-b"; then fail "the second host settles what it can't know"; fi
    grep -q "only '.*' knows whether it ended there" "$WORK/err-b" || fail "it says: $(<"$WORK/err-b")"
    rm "$WORK/closed" # the network is back
}
no_receiver() { ! its_receiver >/dev/null; }

cut_move hold
end "the link is cut before the source hears that all is there"
stayed 1
cut_move pass
end "the link is cut when the source has heard that all is there"
check_eq "$CODE" 0 "exit code ($ERR)"
goes_on "$THERE" "$BEFORE"
memory_is_right "$THERE" "$(pid_b)"
! container_runs "$ID" || fail "$ID runs here as well"
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
no_checkpoints "$HOST_B/store" || fail "left in the store there: $(find "$HOST_B/store")"
rc_b delete --force "$ID"

echo "faults in all: $FAULTS"
check_eq "$FAULTS" 9 "number of faults"
assert_no_leftovers
