#!/usr/bin/env bash
# Containers of podman: stasis dumps them, podman restores them, and podman's commands go on working.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
export PODMAN_TARGETS=memory
. "$(dirname "$0")/podman.sh"

# Counts in memory, and writes the count to its root file system and to /dev/shm.
# shellcheck disable=SC2016
COUNT='i=0; while :; do i=$((i+1)); echo $i >/new; mv /new /count; echo $i >/dev/shm/count; echo count $i; sleep 0.05; done'

logs_count() { grep -q '^count ' <<<"$(podman logs --tail 1 "$NAME")"; }

check_alive() { # WHAT: podman has the container as before
    check_eq "$(pod_status)" running "$1: podman inspect"
    podman ps --format '{{.Names}}' | grep -qx "$NAME" || fail "$1: podman ps does not list $NAME"
    wait_for 10 "$1: $NAME counts on" counts_beyond "$(count)"
    wait_for 10 "$1: podman logs to have its output" logs_count
}

# A snapshot and back, then a stop and back.
cycle() {
    local before
    wait_for 10 "$NAME counts" counts_beyond 3
    stasis snapshot "$NAME" s1 >/dev/null
    before=$(cat "$STASIS_STORE/podman/$NAME/s1/rootfs/count")
    check_alive "after the snapshot"
    wait_for 10 "$NAME goes on after its snapshot" counts_beyond $((before + 20))
    expect_exit 5 stasis restore "$NAME" s1
    stasis restore "$NAME" s1 --replace >/dev/null
    [ "$(count)" -lt $((before + 20)) ] || fail "restored at $(count), the snapshot was made at $before"
    check_alive "after the restore of the snapshot"
    stop_and_restore
}

stop_and_restore() {
    local before shared
    stasis stateful-stop "$NAME" >/dev/null
    check_eq "$(pod_status)" exited "after the stop"
    before=$(cat "$STASIS_STORE/podman/$NAME"/stop-*/rootfs/count)
    shared=$(cat "$STASIS_STORE/podman/$NAME"/stop-*/volumes/0/count)
    [ $((before - shared)) -le 1 ] || fail "/dev/shm was kept at $shared, the root file system at $before"
    stasis restore "$NAME" >/dev/null
    [ "$(count)" -lt $((before + 100)) ] || fail "the count jumped from $before to $(count)"
    ! grep -q prepare-network "$(pod_field .OCIConfigPath)" || fail "a hook of the restore's is left in its configuration"
    check_alive "after the restore of the stop state"
    stasis delete "$NAME" "$(basename "$STASIS_STORE/podman/$NAME"/stop-*)" >/dev/null
}

no_traces() {
    local folder
    folder=$(pod_field .StaticDir)
    check_eq "$(find "$folder" -name 'checkpoint*' -o -name 'devshm*' -o -name network.status -o -name '*.log' \
        ! -name ctr.log)" "" "left in podman's folder of $NAME"
    assert_no_leftovers
}

echo "== no network, and the end by podman"
new_container plain --network none -- sh -c "$COUNT"
cycle
expect_exit 0 in_pod ip -4 address show dev lo
grep -q 127.0.0.1 <<<"$OUT" || fail "the loopback interface is down: $OUT"
no_traces
podman stop --time 0 "$NAME" >/dev/null
check_eq "$(pod_status)" exited "podman stop after a restore"
podman start "$NAME" >/dev/null
check_alive "podman start after a restore"

echo "== by its id"
ID=$(pod_field .Id)
stasis snapshot "podman:${ID:0:12}" by-id >/dev/null
[ -d "$STASIS_STORE/podman/$NAME/by-id" ] || fail "the store does not go by the name"
expect_exit 1 "$STASIS" --store "$STASIS_STORE" --runc-root /run/runc snapshot "$PODMAN_RUNTIME:$ID"
grep -q "belongs to podman" <<<"$ERR" || fail "$PODMAN_RUNTIME took podman's container: $ERR"

echo "== a terminal"
new_container tty --network none --tty -- sh -c "$COUNT"
cycle
no_traces

echo "== the host's network"
new_container host --network host -- sh -c "$COUNT"
cycle
no_traces

echo "== a bridge: the same addresses, and a connection that goes on"
cat >"$WORK/client.py" <<'CLIENT'
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7), timeout=60)
for number in range(1, 1000000):
    line = b"%d\n" % number
    connection.sendall(line)
    answer = b""
    while len(answer) < len(line):
        part = connection.recv(64)
        if not part: sys.exit("the connection was closed")
        answer += part
    if answer != line: sys.exit("sent %r, got %r" % (line, answer))
    with open(sys.argv[2], "w") as file: file.write(str(number))
    time.sleep(0.02)
CLIENT
podman network create --subnet 10.231.77.0/24 "net-$RUN" >/dev/null
new_container bridge --network "net-$RUN" -- sh -c "nc -ll -p 7 -e cat & $COUNT"
addresses() { in_pod ip address show dev eth0 | grep -oE '(inet|ether) [0-9a-f:.]+'; }
echoes() { [ "$(cat "$WORK/echoed" 2>/dev/null || echo 0)" -gt "$1" ]; }
before=$(addresses)
"$PYTHON" "$WORK/client.py" "$(grep -oE '10[.]231[.]77[.][0-9]+' <<<"$before")" "$WORK/echoed" 2>"$WORK/client.err" &
client=$!
track_pid "$client"
wait_for 10 "the client has answers" echoes 10
stasis snapshot "$NAME" s1 >/dev/null
echoed=$(cat "$WORK/echoed")
wait_for 20 "the client goes on after a snapshot" echoes $((echoed + 10))
# What it sends between podman's making the network and CRIU's putting back the connection would be answered by a reset.
kill -STOP "$client"
sleep 0.5 # what it has sent is acknowledged
stop_and_restore
kill -CONT "$client"
echoed=$(cat "$WORK/echoed")
wait_for 30 "the client goes on after a stop and a restore: $(cat "$WORK/client.err")" echoes $((echoed + 10))
check_eq "$(addresses)" "$before" "its addresses"
kill "$client"
no_traces

echo "== a published port, and a volume that goes back with it"
PORT=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
VOLUME=$PODMAN/root/volumes/vol-$RUN/_data
answers() { # on the published port
    "$PYTHON" - "$PORT" <<'ASK'
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
connection.sendall(b"hi\n")
sys.exit(connection.recv(8) != b"hi\n")
ASK
}
new_container ports --network "net-$RUN" --publish "$PORT:7" --volume "vol-$RUN:/data" -- \
    sh -c "nc -ll -p 7 -e cat & $COUNT"
wait_for 30 "an answer on the published port" answers
in_pod sh -c 'echo kept >/data/file'
stasis stateful-stop "$NAME" --with-volumes >/dev/null
echo lost >"$VOLUME/file"
stasis restore "$NAME" >/dev/null
check_eq "$(in_pod cat /data/file)" kept "what is in the volume"
in_pod sh -c 'echo more >/data/file'
check_eq "$(<"$VOLUME/file")" more "the volume after a write from inside"
wait_for 30 "an answer on the published port after a restore" answers
no_traces

echo "== a health check, in a user namespace, paused"
new_container user --network none --health-cmd 'test -s /count' --uidmap 0:100000:5000 -- sh -c "$COUNT" 2>"$WORK/timers"
cycle
podman healthcheck run "$NAME" || fail "the health check fails in a restored container"
check_eq "$(pod_field .State.Health.Status)" healthy "what podman says of its health"
podman pause "$NAME" >/dev/null
stasis stateful-stop "$NAME" >/dev/null
stasis restore "$NAME" >/dev/null
check_eq "$(pod_status)" paused "a container that was paused"
podman unpause "$NAME" >/dev/null
check_alive "a container that was paused"
no_traces

if [ "$PODMAN_RUNTIME" = runc ]; then MEGABYTES=512; else MEGABYTES=64; fi
echo "== $MEGABYTES MiB of memory"
new_container memory --network none -- memory /status $MEGABYTES
of_memory() { field "$1" "$(in_pod cat /status)"; }
was_checked() { [ "$(of_memory checks)" -gt "$1" ]; }
has_status() { [ -n "$(in_pod cat /status)" ]; }
wait_for 60 "its memory to be filled" has_status
sum=$(of_memory sum)
stasis snapshot "$NAME" full >/dev/null
kill -USR1 "$(pod_field .State.Pid)"
wait_for 60 "its memory to be changed" was_checked 0
stasis restore "$NAME" full --replace >/dev/null
kill -USR2 "$(pod_field .State.Pid)"
wait_for 60 "a look at all its memory" was_checked 0
check_eq "$(of_memory sum)" "$sum" "the checksum of its memory"
podman rm --force --time 0 "$NAME" >/dev/null

[ "$PODMAN_RUNTIME" = runc ] || exit 0 # the rest is podman's own, whatever runs its containers

echo "== a restart policy does not bring it back behind our back"
new_container restart --network none --restart always --label org.stasis.order=-10 -- sh -c "$COUNT"
wait_for 10 "$NAME counts" counts_beyond 3
expect_exit 0 stasis stateful-stop "$NAME"
check_eq "$ERR" "" "warnings of the stop"
wait_for 10 "the end of conmon" eval "! pgrep -f 'conmon.* -n $NAME '"
check_eq "$(pod_status)" exited "a container with a restart policy, stopped with its state"
stasis restore "$NAME" >/dev/null
check_alive "a container with a restart policy, restored"

echo "== all of them, as around a reboot"
running() { podman ps --format '{{.Names}}' | sort; }
before=$(running)
expect_exit 0 stasis --json stateful-stop --all
first=$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["target"])' <<<"$OUT")
check_eq "$first" "podman:restart-$RUN" "the one whose label makes it the first to be stopped"
check_eq "$(running)" "" "containers that run after all were stopped"
expect_exit 0 stasis restore --all
check_eq "$(running)" "$before" "containers that run after all were restored"
check_alive "one of all"

echo "== what podman could not restore is refused before the freeze"
new_container rm --network none --rm -- sh -c "$COUNT"
expect_exit 1 stasis snapshot "$NAME"
grep -q -- --rm <<<"$ERR" || fail "the reason is not told: $ERR"
podman pod create --network none --infra=true --infra-image box --infra-command '/bin/sleep 1000' "pod-$RUN" >/dev/null
new_container in-pod --pod "pod-$RUN" -- sh -c "$COUNT"
expect_exit 1 stasis snapshot "$NAME"
grep -q pod <<<"$ERR" || fail "the reason is not told: $ERR"
ln -s "$(command -v runc)" "$WORK/crun"
NAME=no-criu-$RUN
podman --runtime "$WORK/crun" run --detach --name "$NAME" --cgroup-parent "/stasis-$RUN" --network none box sleep 1000 >/dev/null
expect_exit 1 stasis snapshot "$NAME"
[[ $ERR == *"without CRIU"*"--runtime runc"* ]] || fail "no cause or no remedy: $ERR"
