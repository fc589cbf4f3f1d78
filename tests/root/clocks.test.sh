#!/usr/bin/env bash
# Clocks and timers over a stop: the monotonic clock goes on where it stood, no timer goes off early or is lost, one that
# is set to a time of day goes off then, and how long the target was away is said.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

DUE=8 # seconds
ID=$(unique_id clocks)
BUNDLE=$WORK/bundle
make_bundle "$BUNDLE"
bundle_add_target "$BUNDLE" timers
bundle_args "$BUNDLE" /bin/timers /status "$DUE"

status() { field "$1" "$(<"$BUNDLE/rootfs/status")"; }
all_fired() { [ "$(status fired)" = 5 ]; }
json() { "$PYTHON" -c "import json, sys; d = json.load(sys.stdin); print($1)" <<<"$OUT"; }
past() { [ "$(date +%s)" -gt "$1" ]; } # SECONDS since 1970

# goes_off: all of them, each in its time; to be called after the restore of a stop state.
goes_off() {
    wait_for 30 "all timers have gone off" all_fired
    check_eq "$(status nonce)" "$nonce" "nonce"
    check_eq "$(status early)" 0 "timers that went off early: $(<"$BUNDLE/rootfs/status")"
    check_ge $(($(status elapsed_ms) / 100)) "$(status ticks)" "ticks that can have been: $(<"$BUNDLE/rootfs/status")"
    check_ge "$(status ticks)" $((ticks + 1)) "ticks"
    check_ge "$((away - 1000))" "$(status jump_ms)" "milliseconds that its clock may have gone meanwhile"
}

# stop_and_restore SECONDS: and how long it was away, in milliseconds, in $away
stop_and_restore() {
    local stopped
    wait_for 20 "the timers run" test -s "$BUNDLE/rootfs/status"
    expect_exit 0 stasis --json stateful-stop "runc:$ID"
    stopped=$(date +%s)
    check_eq "$(status fired)" 0 "timers that went off before the stop: $(<"$BUNDLE/rootfs/status")"
    check_eq "$(json '[w["id"] for w in d["warnings"]]')" "['wall-clock']" "warnings"
    nonce=$(status nonce) ticks=$(status ticks)
    wait_for $(($1 + 10)) "time passes" past $((stopped + $1))
    expect_exit 0 stasis --json restore "runc:$ID"
    away=$(($(json 'd["away_us"]') / 1000))
    check_ge "$away" $(($1 * 1000)) "milliseconds away"
}

echo "== back before the time of day at which one is due"
start_container "$ID" "$BUNDLE"
stop_and_restore 3
goes_off
rc delete --force "$ID"

echo "== back after it, twice"
rm "$BUNDLE/rootfs/status"
start_container "$ID" "$BUNDLE"
stop_and_restore 3
expect_exit 0 stasis --json stateful-stop "runc:$ID"
check_eq "$(json '[w["id"] for w in d["warnings"]]')" "['wall-clock']" "warnings of the second stop"
wait_for 20 "the time of day at which it is due" past $(($(date +%s) + DUE))
expect_exit 0 stasis restore "runc:$ID"
grep -qE "restored from 'stop-[^']*', made [0-9]+ s ago, in " <<<"$OUT" || fail "its age is not told: $OUT"
wait_for 10 "the one that was due meanwhile" grep -q wall_late_ms "$BUNDLE/rootfs/status"
check_eq "$(status fired)" 1 "timers that have gone off: $(<"$BUNDLE/rootfs/status")"
goes_off
assert_no_leftovers
