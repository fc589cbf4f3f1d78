#!/usr/bin/env bash
# What does not fit a checkpoint any more: all of it is named at once, before anything is touched.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
need gcc

# says TEXT...: each of these is in the last failure.
says() {
    local text
    for text in "$@"; do grep -qF -- "$text" <<<"$ERR" || fail "no '$text' in: $ERR"; done
}
details() { grep -c '^    ' <<<"$ERR"; } # how many mismatches the last failure names

# a program of two sources that differ in what they were built from, not in size
build_program() { # TEXT
    echo "#include <unistd.h>
        const char text[] = \"$1\";
        int main(void) { for (;;) pause(); }" | gcc -O1 -Wl,--build-id=sha1 -x c -o "$WORK/program.new" -
    mv "$WORK/program.new" "$WORK/program"
}

end_tree() { # PID
    kill -KILL "$1"
    wait_for 10 "pid $1 is free" eval "[ ! -e /proc/$1 ]"
}

echo "== a process tree: its program, its data, its log, its folder, its pid"
build_program first
cp -a "$WORK/program" "$WORK/program.first"
printf 0123456789 >"$WORK/data"
printf x >"$WORK/log"
mkdir "$WORK/folder"
(
    close_inherited_fds
    cd "$WORK/folder" || exit
    exec setsid "$WORK/program" <"$WORK/data" >>"$WORK/log"
) &
TREE=$!
disown
track_pid "$TREE"
wait_for 10 "the program" grep -qx program "/proc/$TREE/comm"
stasis stateful-stop "pid:$TREE"
wait_for 10 "the pid is free" eval '[ ! -e /proc/$TREE ]'

build_program other
check_eq "$(stat -c %s "$WORK/program")" "$(stat -c %s "$WORK/program.first")" "the size of the other build"
printf more >>"$WORK/data"
printf more >>"$WORK/log" # as logs do
chmod 0700 "$WORK/folder"
before=$(sha256sum "$WORK/program" "$WORK/data" "$WORK/log")
# The pid goes to the group of a process that is not in the tree.
in_background "$PYTHON" -c '
import os, sys
wanted = int(sys.argv[1])
while True:
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(wanted - 1))
    child = os.fork()
    if child == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "100000"]) if os.getpid() == wanted else os._exit(0)
    if child == wanted:
        break
    os.waitpid(child, 0)
os.waitpid(child, 0)' "$TREE"
wait_for 10 "a stranger with the pid" grep -qx sleep "/proc/$TREE/comm"
track_pid "$TREE"
expect_exit 6 stasis restore "pid:$TREE" --replace
says "nothing was touched" "'$WORK/program' is another build: its build-id is " \
    "'$WORK/data' has 14 bytes, it had 10 (" "truncate -s 10 '$WORK/data'" \
    "'$WORK/folder' has mode 0700, it had 0755 (chmod 0755 '$WORK/folder')" "belongs to another program now"
check_eq "$(details)" 4 "mismatches of the tree: $ERR"
check_eq "$(sha256sum "$WORK/program" "$WORK/data" "$WORK/log")" "$before" "the files"
grep -qx sleep "/proc/$TREE/comm" || fail "the stranger was touched"
end_tree "$TREE"
expect_exit 6 stasis restore "pid:$TREE"
check_eq "$(details)" 3 "mismatches without the stranger: $ERR"
rm "$WORK/data"
expect_exit 6 stasis --json restore "pid:$TREE"
says "'$WORK/data' is not there"
[ ! -e "/proc/$TREE" ] || fail "the tree was restored"
# It is CRIU's judgement, too.
expect_exit 1 stasis restore "pid:$TREE" --ignore-misfit files
[ ! -e "/proc/$TREE" ] || fail "the tree was restored although CRIU refuses it"

printf 9876543210 >"$WORK/data"
chmod 0755 "$WORK/folder"
cp -a "$WORK/program.first" "$WORK/program"
expect_exit 0 stasis --json restore "pid:$TREE"
track_pid "$TREE"
grep -q "warning: '$WORK/data', which it has open or mapped, was written since" <<<"$ERR" || fail "no warning: $ERR"
check_eq "$("$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["warnings"]))' <<<"$OUT")" 1 "warnings"
end_tree "$TREE"

echo "== the pid of a child, taken by a thread"
(
    close_inherited_fds
    exec setsid busybox sh -c 'sleep 100000 & wait'
) &
TREE=$!
disown
track_pid "$TREE"
wait_for 10 "the child" pgrep -P "$TREE" -x sleep
CHILD=$(pgrep -P "$TREE" -x sleep)
stasis stateful-stop "pid:$TREE"
wait_for 10 "the pids are free" eval '[ ! -e /proc/$TREE ] && [ ! -e /proc/$CHILD ]'
in_background "$PYTHON" -c '
import sys, threading, time
wanted, stop = int(sys.argv[1]), threading.Event()
while True:
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(wanted - 1))
    thread = threading.Thread(target=stop.wait, daemon=True)
    thread.start()
    if thread.native_id == wanted:
        break
open(sys.argv[2], "w").close()
time.sleep(100000)' "$CHILD" "$WORK/threaded"
wait_for 10 "a thread with the pid" test -e "$WORK/threaded"
expect_exit 6 stasis restore "pid:$TREE"
says "pid $CHILD is taken as a thread by 'python3"
check_eq "$(details)" 1 "mismatches: $ERR"
kill_identity "$(process_identity "$BACKGROUND")"
stasis restore "pid:$TREE"
track_pid "$TREE"
track_pid "$CHILD"
stasis snapshot "pid:$TREE" again
stasis restore "pid:$TREE" again --replace # its own pids are no obstacle
track_pid "$TREE"
end_tree "$TREE"

echo "== a container: a volume, an address, a port, a control"
ID=$(unique_id misfit)
BUNDLE=$WORK/bundle
NETNS=misfit-$RUN
track_netns "$NETNS"
ip netns add "$NETNS"
ip -n "$NETNS" link set lo up
ip -n "$NETNS" address add 10.78.0.1/32 dev lo
make_bundle "$BUNDLE"
bundle_netns "$BUNDLE" "$NETNS"
bundle_volume "$BUNDLE" "$WORK/volume" /data
bundle_volume "$BUNDLE" "$WORK/second" /second
printf 0123456789 >"$WORK/volume/held"
cp "$BUNDLE/rootfs/bin/busybox" "$WORK/volume/httpd"
bundle_args "$BUNDLE" /bin/sh -c '/data/httpd -f -p 10.78.0.1:80 & exec 3</data/held; exec sleep 100000'
listens() { ip netns exec "$NETNS" cat /proc/net/tcp | grep -q '01004E0A:0050 00000000:0000 0A'; }
start_container "$ID" "$BUNDLE"
wait_for 10 "the listener" listens
wait_for 10 "the open file" eval 'readlink /proc/$(container_pid "$ID")/fd/3 | grep -qx /data/held'
stasis stateful-stop "runc:$ID"
listed() { find "$BUNDLE/rootfs" -printf '%p %s %T@\n' | sort; }
echo later >"$BUNDLE/rootfs/later"
before=$(listed)

ip -n "$NETNS" address delete 10.78.0.1/32 dev lo
mv "$WORK/second" "$WORK/away"
touch "$WORK/second"
printf more >>"$WORK/volume/held"
expect_exit 6 stasis restore "runc:$ID"
says "'$WORK/second', mounted at '/second', is no folder any more" "'$WORK/volume/held' has 14 bytes, it had 10" \
    "the address 10.78.0.1 of its sockets is not in its network"
check_eq "$(details)" 3 "mismatches of the container: $ERR"
rm "$WORK/second"
mv "$WORK/volume" "$WORK/volume.away"
expect_exit 6 stasis restore "runc:$ID" --ignore-misfit addresses
says "'$WORK/second', mounted at '/second', is not there" "'$WORK/volume', mounted at '/data', is not there" \
    "'$WORK/volume/held' is not there" "'$WORK/volume/httpd' is not there"
check_eq "$(details)" 4 "mismatches without those of addresses: $ERR"
mv "$WORK/volume.away" "$WORK/volume"
mv "$WORK/away" "$WORK/second"
truncate -s 10 "$WORK/volume/held"
ip -n "$NETNS" address add 10.78.0.1/32 dev lo

in_background ip netns exec "$NETNS" busybox nc -l -p 80
wait_for 10 "the port is taken" eval 'ip netns exec "$NETNS" cat /proc/net/tcp /proc/net/tcp6 | grep -q ":0050 .* 0A "'
expect_exit 6 stasis restore "runc:$ID"
says "10.78.0.1:80, where it listens, is taken by 'busybox' (pid $BACKGROUND)"
check_eq "$(details)" 1 "mismatches: $ERR"
check_eq "$(listed)" "$before" "the root file system"
! container_runs "$ID" || fail "the container was restored"
kill_identity "$(process_identity "$BACKGROUND")"
stasis restore "runc:$ID"
container_runs "$ID" || fail "the container does not run"
listens || fail "it does not listen"
[ ! -e "$BUNDLE/rootfs/later" ] || fail "the root file system was not put back"
stasis snapshot "runc:$ID" running
stasis restore "runc:$ID" running --replace # its own port is no obstacle
rc delete --force "$ID"

echo "== a connection needs its address, not its port alone"
cat >"$WORK/connection.py" <<'PYTHON'
import socket, sys, time
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2], "w").write(str(client.getsockname()[1]))
while True:
    time.sleep(1000)
PYTHON
in_background "$PYTHON" -c '
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(server.getsockname()[1]))
accepted = server.accept()
time.sleep(100000)' "$WORK/server"
SERVER=$BACKGROUND
wait_for 10 "the server" test -s "$WORK/server"
(close_inherited_fds && exec setsid "$PYTHON" "$WORK/connection.py" "$(<"$WORK/server")" "$WORK/client") &
TREE=$!
disown
track_pid "$TREE"
wait_for 10 "the connection" test -s "$WORK/client"
stasis stateful-stop "pid:$TREE"
wait_for 10 "the pid is free" eval '[ ! -e /proc/$TREE ]'
in_background "$PYTHON" -c '
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2], "w").close()
time.sleep(100000)' "$(<"$WORK/client")" "$WORK/taken"
wait_for 10 "a listener on the client's port" test -e "$WORK/taken"
stasis restore "pid:$TREE"
track_pid "$TREE"
grep -q ":$(printf %04X "$(<"$WORK/client")") 0100007F:$(printf %04X "$(<"$WORK/server")") 01" /proc/net/tcp ||
    fail "the connection was not restored"
end_tree "$TREE"
kill_identity "$(process_identity "$SERVER")"
assert_no_leftovers
