# Sourced after common.sh: makes runc bundles and starts containers from them.
# shellcheck shell=bash

need busybox
[ -n "${TARGETS_DIR:-}" ] || need cc

# target NAME: path of a program of tests/targets (CMake builds them all, static).
target() {
    if [ -z "${TARGETS_DIR:-}" ]; then
        mkdir -p "$WORK/targets"
        [ -e "$WORK/targets/$1" ] || cc -O2 -static -o "$WORK/targets/$1" "$TESTS_DIR/../targets/$1.c"
    fi
    echo "${TARGETS_DIR:-$WORK/targets}/$1"
}

# bundle_set DIR PYTHON [ARG...]: runs Python statements on the configuration `c`, with `args`.
bundle_set() {
    "$PYTHON" - "$@" <<'PYTHON'
import json, sys
path = sys.argv[1] + '/config.json'
c, args = json.load(open(path)), sys.argv[3:]
def without_namespace(kind):
    c['linux']['namespaces'] = [n for n in c['linux']['namespaces'] if n['type'] != kind]
exec(sys.argv[2])
json.dump(c, open(path, 'w'), indent=1)
PYTHON
}

# make_bundle DIR: a busybox rootfs, all namespaces its own but the user's, sleeping for ever.
make_bundle() {
    [ -d "$WORK/first-bundle" ] || make_first_bundle "$WORK/first-bundle"
    mkdir -p "$1"
    cp -a "$WORK/first-bundle/." "$1"
}

# What all are copies of: to start a program for each of busybox's links takes longer than all else.
make_first_bundle() {
    local dir=$1 busybox
    busybox=$(command -v busybox)
    ! ldd "$busybox" >/dev/null 2>&1 || skip_machine "busybox is not a static one (busybox-static)"
    mkdir -p "$dir/rootfs"/{bin,dev,proc,sys,tmp,etc,run,root,data}
    ln -s bin "$dir/rootfs/sbin"
    cp "$busybox" "$dir/rootfs/bin/busybox"
    chroot "$dir/rootfs" /bin/busybox --install -s /bin
    echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/rootfs/etc/passwd"
    echo 'root:x:0:' >"$dir/rootfs/etc/group"
    runc spec --bundle "$dir"
    # Raising a limit takes CAP_SYS_RESOURCE, which the machine may lack.
    bundle_set "$dir" '
c["process"].update(terminal=False, rlimits=[], args=["/bin/sleep", "1000000"])
c["root"]["readonly"] = False
c["hostname"] = "test"'
}

bundle_args() { # DIR ARG...
    local dir=$1
    shift
    bundle_set "$dir" 'c["process"]["args"] = args' "$@"
}

bundle_mount() { # DIR TYPE: a file system of its own at /mnt
    bundle_set "$1" 'c["mounts"].append({"destination": "/mnt", "type": args[0], "source": "none"})' "$2"
}

bundle_capabilities() { # DIR CAP_...
    local dir=$1
    shift
    bundle_set "$dir" '
for kind in c["process"]["capabilities"].values():
    kind += args' "$@"
}

# bundle_add_target DIR NAME: puts it into the container's /bin.
bundle_add_target() { cp "$(target "$2")" "$1/rootfs/bin/$2"; }

# bundle_add_program DIR FILE...: dynamic programs or libraries, at the same paths as here, with what they load.
bundle_add_program() {
    local rootfs=$1/rootfs file
    shift
    for file in "$@" $(ldd "$@" 2>/dev/null | grep -oE '/[^ :]+ \(0x' | cut -d' ' -f1 | sort -u); do
        mkdir -p "$rootfs$(dirname "$file")"
        [ -e "$rootfs$file" ] || cp -L "$file" "$rootfs$file"
    done
}

# bundle_mapped_ids DIR UID: a user namespace, the process runs as UID in it, which owns /data.
bundle_mapped_ids() {
    local dir=$1 uid=$2 base=100000
    bundle_set "$dir" '
base, uid = int(args[0]), int(args[1])
c["linux"]["namespaces"].append({"type": "user"})
for key in "uidMappings", "gidMappings":
    c["linux"][key] = [{"containerID": 0, "hostID": base, "size": 65536}]
c["process"]["user"] = {"uid": uid, "gid": uid}' "$base" "$uid"
    chown -hR $base:$base "$dir/rootfs"
    chown -hR $((base + uid)):$((base + uid)) "$dir/rootfs/data"
    chmod 1777 "$dir/rootfs/tmp"
}

bundle_terminal() { bundle_set "$1" 'c["process"]["terminal"] = True'; }

bundle_netns() { # DIR NAME: a network namespace that somebody else made
    bundle_set "$1" '
without_namespace("network")
c["linux"]["namespaces"].append({"type": "network", "path": "/run/netns/" + args[0]})' "$2"
}

bundle_volume() { # DIR SOURCE DESTINATION
    mkdir -p "$1/rootfs$3" "$2"
    bundle_set "$1" 'c["mounts"].append({"type": "bind", "source": args[0], "destination": args[1],
                    "options": ["rbind", "rw"]})' "$2" "$3"
}

# Nothing of the test's (or CTest's pipes) may live on in a container: for a subshell that is about to exec.
close_inherited_fds() {
    local fd
    trap - ERR
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec <"${STDIO:-/dev/null}" >"${STDIO:-/dev/null}" 2>&1
}

without_inherited_fds() { (close_inherited_fds && exec "$@"); }

# in_background COMMAND...: leaves its pid in $BACKGROUND; the cleanup ends it.
in_background() {
    (close_inherited_fds && exec "$@") &
    BACKGROUND=$!
    track_pid "$BACKGROUND"
    disown "$BACKGROUND" # the shell need not say when the cleanup kills it
}

# hold_terminal SOCKET LOG: plays the terminal of a container: takes the master from its runtime (and from
# every later restore with the same console socket) and writes down what it says.
hold_terminal() {
    in_background "$PYTHON" -c '
import os, selectors, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
log = open(sys.argv[2], "ab", 0)
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            connection, _ = listener.accept()
            text, masters, _, _ = socket.recv_fds(connection, 4096, 1)
            connection.close()
            for master in masters:
                selector.register(master, selectors.EVENT_READ)
                newest = master
            if not masters:
                os.write(newest, text)
            continue
        try:
            log.write(os.read(key.fd, 4096) or sys.exit())
        except OSError:  # EIO: the other side is gone
            selector.unregister(key.fd)
            os.close(key.fd)
' "$1" "$2"
    wait_for 10 "terminal holder" test -S "$1"
}

# type_in SOCKET TEXT: into the terminal that was handed over last.
type_in() {
    "$PYTHON" -c '
import socket, sys
with socket.socket(socket.AF_UNIX) as way:
    way.connect(sys.argv[1])
    way.send(sys.argv[2].encode() + b"\n")' "$@"
}

# start_container ID BUNDLE: in the background, with stdio on /dev/null, $STDIO or a terminal of hold_terminal.
start_container() {
    local id=$1 bundle=$2 console=()
    if grep -q '"terminal": true' "$bundle/config.json"; then
        console=(--console-socket "$WORK/$id.console")
        [ -S "${console[1]}" ] || hold_terminal "${console[1]}" "$WORK/$id.terminal"
    fi
    without_inherited_fds "${START[@]}" --root "$RUNC_ROOT" --log "$WORK/$id.runc.log" run -d "${console[@]}" \
        --bundle "$bundle" "$id" || fail "$RUNTIME run: $(cat "$WORK/$id.runc.log")"
    wait_for 10 "$id runs" container_runs "$id"
}
