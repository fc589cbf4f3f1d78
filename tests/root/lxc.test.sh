#!/usr/bin/env bash
# Containers of LXC: stasis dumps them, LXC restores them, and LXC's commands go on working.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/lxc.sh"

# Counts in memory, and writes the count to its root file system.
# shellcheck disable=SC2016
COUNT='i=0; while :; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.05; done'

count() { cat "$ROOTFS/count"; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }

check_alive() { # WHAT: LXC has the container as before
    check_eq "$(lxc_state)" RUNNING "$1: lxc-info"
    wait_for 10 "$1: $NAME counts on" counts_beyond "$(count)"
    check_ge "$(in_lxc cat /count)" 1 "$1: lxc-attach"
    stasis list --json >/dev/null
}

# A snapshot and back, then a stop and back.
cycle() {
    local before
    wait_for 10 "$NAME counts" counts_beyond 3
    stasis snapshot "$NAME" s1 >/dev/null
    before=$(cat "$STASIS_STORE/lxc/$NAME/s1/rootfs/count")
    check_alive "after the snapshot"
    wait_for 10 "$NAME goes on after its snapshot" counts_beyond $((before + 40))
    expect_exit 5 stasis restore "$NAME" s1
    stasis restore "$NAME" s1 --replace >/dev/null
    [ "$(count)" -lt $((before + 40)) ] || fail "restored at $(count), the snapshot was made at $before"
    check_alive "after the restore of the snapshot"
    expect_exit 0 stasis verify "$NAME" s1
    stasis stateful-stop "$NAME" >/dev/null
    check_eq "$(lxc_state)" STOPPED "after the stop"
    before=$(cat "$STASIS_STORE/lxc/$NAME"/stop-*/rootfs/count)
    stasis restore "lxc:$NAME" >/dev/null
    check_ge "$(count)" "$before" "restored from the stop"
    [ "$(count)" -lt $((before + 100)) ] || fail "the count jumped from $before to $(count)"
    check_alive "after the restore of the stop state"
    # Once more, the monitor is now the one that lxc-checkpoint made.
    stasis stateful-stop "$NAME" >/dev/null
    stasis restore "$NAME" >/dev/null
    check_alive "after the second stop"
}

echo "== no network, LXC's own console"
new_container plain "$COUNT"
CONFIG=$(cat "$LXC/$NAME/config")
cycle
assert_no_leftovers
check_eq "$(cat "$LXC/$NAME/config")" "$CONFIG" "its configuration"
lxc stop --kill
check_eq "$(lxc_state)" STOPPED "lxc-stop after a restore"
lxc start --daemon </dev/null >/dev/null 2>&1
check_alive "lxc-start after a restore"
lxc stop --kill

echo "== a task that has the console open"
new_container console "exec 3<>/dev/console; $COUNT"
cycle
[[ $(readlink "/proc/$(lxc info --no-humanize --pid)/fd/3") == /dev/* ]] || fail "the console is not open"
lxc stop --kill

echo "== terminals, and a folder of the host"
mkdir "$WORK/shared"
new_container ttys "exec 3<>/dev/console; : >/shared/file; exec 4</shared/file; $COUNT" "lxc.tty.max = 4" "lxc.pty.max = 64" \
    "lxc.mount.entry = $WORK/shared shared none bind,create=dir 0 0" \
    "lxc.mount.entry = /usr/share usr/share none ro,bind,create=dir 0 0"
cycle

echo "== all of LXC's: what LXC starts first is stopped last"
new_container web "$COUNT" "lxc.start.order = 5"
wait_for 10 "$NAME counts" counts_beyond 3
expect_exit 0 stasis --json stateful-stop --all --runtime lxc
check_eq "$("$PYTHON" -c 'import json, sys; print([r["target"] for r in json.load(sys.stdin)])' <<<"$OUT")" \
    "['lxc:web-$RUN', 'lxc:ttys-$RUN']" "the order"
check_eq "$(lxc_state)" STOPPED "after the stop of all"
stasis restore --all --runtime lxc >/dev/null
check_alive "after the restore of all"
lxc stop --kill
NAME=ttys-$RUN
check_eq "$(lxc_state)" RUNNING "the other one after the restore of all"
lxc stop --kill

echo "== a getty, a frozen container"
# shellcheck disable=SC2016
new_container getty "(exec </dev/tty1 >/dev/tty1; while read -r word; do echo \$word >/read; done) & $COUNT" \
    "lxc.tty.max = 4" "lxc.pty.max = 64"
wait_for 10 "$NAME counts" counts_beyond 3
# shellcheck disable=SC2016
GETTY=$(in_lxc sh -c 'for open in /proc/[0-9]*/fd/0; do [ "$(readlink "$open")" != /dev/tty1 ] || echo "$open"; done')
[ -n "$GETTY" ] || fail "nobody has the terminal open"
file_of() { in_lxc busybox stat -L -c %d:%i "$1"; }
check_eq "$(file_of "$GETTY")" "$(file_of /dev/tty1)" "what the getty has open"
cycle
check_eq "$(file_of "$GETTY")" "$(file_of /dev/tty1)" "what the getty has open after all that"
lxc freeze
for round in 1 2; do
    before=$(count)
    stasis stateful-stop "$NAME" >/dev/null
    check_eq "$(lxc_state)" STOPPED "after stop $round of a frozen container"
    stasis restore "$NAME" >/dev/null
    check_eq "$(lxc_state)" FROZEN "after restore $round of a frozen container"
    check_eq "$(count)" "$before" "what a frozen container counts ($round)"
done
lxc unfreeze
check_alive "unfrozen"
lxc stop --kill

echo "== a volume, and 512 MiB of memory"
mkdir "$WORK/volume"
make_container state "/bin/memory /status 512 & i=0; while :; do i=\$((i+1)); echo \$i >/data/new; mv /data/new /data/count; sleep 0.05; done" \
    "lxc.mount.entry = $WORK/volume data none bind,create=dir 0 0"
cp "$(target memory)" "$ROOTFS/bin/"
lxc start --daemon </dev/null >/dev/null 2>&1
of_memory() { field "$1" "$(cat "$ROOTFS/status")"; }
was_checked() { [ "$(of_memory checks)" -gt "$1" ]; }
tell_memory() { kill "$1" "$(pgrep -P "$(lxc info --no-humanize --pid)" -x memory)"; }
in_volume_beyond() { [ "$(cat "$WORK/volume/count")" -gt "$1" ]; }
wait_for 60 "its memory to be filled" test -s "$ROOTFS/status"
sum=$(of_memory sum)
stasis snapshot "$NAME" full --with-volumes >/dev/null
before=$(cat "$STASIS_STORE/lxc/$NAME/full/volumes/0/count")
tell_memory -USR1
wait_for 60 "its memory to be changed" was_checked 0
wait_for 10 "its volume to be written to" in_volume_beyond $((before + 40))
stasis restore "$NAME" full --replace >/dev/null
[ "$(cat "$WORK/volume/count")" -lt $((before + 40)) ] || fail "its volume was not taken back"
wait_for 10 "its volume to be written to again" in_volume_beyond "$(cat "$WORK/volume/count")"
tell_memory -USR2
wait_for 60 "a look at all its memory" was_checked 0
check_eq "$(of_memory sum)" "$sum" "the checksum of its memory"
lxc stop --kill

echo "== unprivileged: without a network it comes back, a veth is refused before the freeze"
FIRST=1000000 # the host's user who is root in it
IDMAP=("lxc.idmap = u 0 $FIRST 65536" "lxc.idmap = g 0 $FIRST 65536")
make_container idmap "$COUNT" "${IDMAP[@]}"
chown -R "$FIRST:$FIRST" "$ROOTFS"
lxc start --daemon --logfile "$WORK/$NAME.log" </dev/null >/dev/null 2>&1
check_eq "$(stat -c %u "/proc/$(lxc info --no-humanize --pid)")" "$FIRST" "who runs its init"
cycle
lxc stop --kill
NETWORK=("lxc.net.0.type = veth")
make_container idmap-veth "$COUNT" "${IDMAP[@]}"
NETWORK=("lxc.net.0.type = empty")
chown -R "$FIRST:$FIRST" "$ROOTFS"
lxc start --daemon --logfile "$WORK/$NAME.log" </dev/null >/dev/null 2>&1
expect_exit 1 stasis stateful-stop "$NAME"
[[ $ERR == *"can't make again in its user namespace"*"lxc.net.0.type = empty"* ]] || fail "no cause or no remedy: $ERR"
check_alive "after the refusal"
lxc stop --kill

echo "== a terminal that nobody would make again is refused before the freeze"
new_container attached "$COUNT"
wait_for 10 "$NAME counts" counts_beyond 3
# A daemon that someone has started from a shell of lxc-attach, whose end of the terminal lxc-attach has.
in_background "$PYTHON" -c 'import pty, sys; pty.spawn(sys.argv[1:])' \
    lxc-attach --lxcpath "$LXC" --name "$NAME" -- sh -c '(busybox setsid sleep 1000 &); exec sleep 1000'
is_left() { [ "$(pgrep -c -P "$(lxc info --no-humanize --pid)" sleep)" -ge 2 ]; }
wait_for 10 "what was started in it" is_left
expect_exit 1 stasis snapshot --drop-exec "$NAME"
[[ $ERR == *"is on the terminal '/dev/pts/"*outside* ]] || fail "no cause: $ERR"
check_alive "after the refusal"
kill_identity "$(process_identity "$BACKGROUND")"
lxc stop --kill
