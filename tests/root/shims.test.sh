#!/usr/bin/env bash
# Containers of containerd and docker, with their real daemons: found by their names and dumped for inspection, while
# they run on; everything else is refused, with what to do instead.
. "$(dirname "$0")/common.sh"
need containerd ctr dockerd /usr/bin/docker busybox runc

# The daemons' fixed folders, in a mount namespace of this test's own.
SPACE=$WORK/engine
mkdir -p "$SPACE"/{containerd,docker,image/bin} /run/containerd /var/lib/docker
# shellcheck disable=SC2016
setsid unshare --mount --propagation private bash -c '
    mount -t tmpfs tmpfs /run/containerd && mount --bind "$1/docker" /var/lib/docker && touch "$1/ready" && exec sleep infinity
' bash "$SPACE" </dev/null >/dev/null 2>&1 &
HOLDER=$!
track_pid "$HOLDER"
disown "$HOLDER"
wait_for 10 "a mount namespace" test -e "$SPACE/ready"
inside() { nsenter --target "$HOLDER" --mount --wd="$PWD" "$@"; }
# shellcheck disable=SC2086
stasis() { inside "$STASIS" --store "$STASIS_STORE" $ROOTS "$@"; }
docker() { inside /usr/bin/docker --host "unix://$SPACE/docker.sock" "$@"; }

cat >"$REGISTRY/undo.shims" <<UNDO
inside() { nsenter --target $HOLDER --mount "\$@"; }
inside /usr/bin/docker --host unix://$SPACE/docker.sock rm --force web3
inside ctr task kill --signal KILL web1
inside ctr task delete --force web1
# What is left of the shims has this test's namespace.
for daemon in "$SPACE"/*.pid; do kill \$(cat "\$daemon"); done
mounts=\$(readlink /proc/$HOLDER/ns/mnt) || exit
for process in /proc/[0-9]*; do
    [ "\$(readlink \$process/ns/mnt)" != "\$mounts" ] || kill -KILL \${process#/proc/}
done
UNDO
cat >"$REGISTRY/undo.shims-cgroups" <<UNDO
find /sys/fs/cgroup -depth -type d '(' -path '*/default-$RUN*' -o -path '*/docker-$RUN*' ')' -exec rmdir {} \;
UNDO

daemon() { # NAME COMMAND...: its pid is in a file
    (
        trap - ERR
        exec nsenter --target "$HOLDER" --mount "${@:2}" </dev/null >"$SPACE/$1.log" 2>&1
    ) &
    echo $! >"$SPACE/$1.pid"
    track_pid $!
    disown
}

cat >"$SPACE/config.toml" <<CONF
version = 2
root = "$SPACE/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
CONF
daemon containerd containerd --config "$SPACE/config.toml"
wait_for 30 "containerd" inside ctr version
# No firewall rules, no bridge: nothing of it is outside of this test's folders.
daemon dockerd dockerd --iptables=false --ip6tables=false --bridge=none --cgroup-parent "/docker-$RUN" \
    --containerd /run/containerd/containerd.sock --exec-root "$SPACE/exec" --pidfile "$SPACE/docker.pid" \
    --host "unix://$SPACE/docker.sock"

# An image of busybox, in the form that both take.
cp "$(command -v busybox)" "$SPACE/image/bin/"
for name in sh sleep mv; do ln -s busybox "$SPACE/image/bin/$name"; done
"$PYTHON" - "$SPACE" <<'PYTHON'
import hashlib, io, json, sys, tarfile
space = sys.argv[1]
layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as tar: tar.add(space + "/image", arcname=".")
layer = layer.getvalue()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": {
    "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
name = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{"Config": name, "RepoTags": ["box:latest"], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(space + "/box.tar", "w") as tar:
    for path, data in ((name, config), ("layer.tar", layer), ("manifest.json", manifest)):
        entry = tarfile.TarInfo(path)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
PYTHON

# shellcheck disable=SC2016
COUNT=(/bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.05; done')
count() { cat "/proc/$PID/root/count"; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }

refuses() { # TARGET ENGINE COMMAND...
    local target=$1 engine=$2
    shift 2
    expect_exit 1 stasis "$@"
    [[ $ERR == *"'$target' can't be restored: $engine"* && $ERR == *"snapshot $target --dir DIR"* ]] ||
        fail "$*: no cause or no remedy: $ERR"
}

# What stasis does for a running container of an engine; its first process is $PID.
inspected() { # TARGET ENGINE BARE-NAME
    local target=$1 engine=$2 bare=$3 identity before
    identity=$(process_identity "$PID")
    wait_for 10 "$target counts" counts_beyond 3
    before=$(count)
    expect_exit 0 stasis snapshot "$bare" --dir "$WORK/$engine"
    [[ $ERR == *"for inspection"*"$engine would not know"* ]] || fail "nothing says what it is for: $ERR"
    wait_for 10 "$target counts on" counts_beyond "$(count)"
    process_is "$identity" || fail "$target is another process"
    [ -s "$WORK/$engine/images/pstree.img" ] || fail "there are no images"
    check_ge "$(cat "$WORK/$engine/rootfs/count")" "$before" "the count in its files"
    "$PYTHON" -c 'import json, sys; json.load(open(sys.argv[1]))["process"]' "$WORK/$engine/runtime/config.json"
    refuses "$target" "$engine" restore "$target" --dir "$WORK/$engine"
    refuses "$target" "$engine" snapshot "$bare"
    refuses "$target" "$engine" stateful-stop "$bare"
    refuses "$target" "$engine" stateful-stop "$bare" --dir "$WORK/stop"
    refuses "$target" "$engine" check "$bare"
    refuses "$target" "$engine" move-to-host "$bare" nowhere
    process_is "$identity" || fail "$target did not survive a refusal"
    [ -z "$(find "$STASIS_STORE" -name '*.partial' -o -name manifest.json)" ] || fail "something is in the store"
    expect_exit 0 stasis list --all
    [[ $OUT != *"$bare"* ]] || fail "--all would touch it: $OUT"
}

echo "== containerd"
inside ctr image import "$SPACE/box.tar" >/dev/null
inside ctr run --detach --null-io --cgroup "/default-$RUN/web1" docker.io/library/box:latest web1 "${COUNT[@]}"
PID=$(inside ctr task ls | awk '$1 == "web1" { print $2 }')
inspected containerd:web1 containerd web1
expect_exit 4 stasis snapshot containerd:web3 --dir "$WORK/none"
inside ctr task pause web1
expect_exit 0 stasis snapshot web1 --dir "$WORK/paused"
[[ $(inside ctr task ls) == *web1*PAUSED* ]] || fail "a snapshot has let a paused one go on"
inside ctr task resume web1
wait_for 10 "it counts on" counts_beyond "$(count)"

echo "== docker"
wait_for 30 "docker: $(tail -n 3 "$SPACE/dockerd.log")" docker info
docker load --quiet --input "$SPACE/box.tar" >/dev/null
ID=$(docker run --detach --name web3 --network none box:latest "${COUNT[@]}")
PID=$(docker inspect --format '{{.State.Pid}}' web3)
inspected docker:web3 docker web3
expect_exit 0 stasis snapshot "docker:${ID:0:12}" --dir "$WORK/by-id"
check_eq "$(docker inspect --format '{{.State.Status}}' web3)" running "what docker says"

echo "== what is no container in docker's folder, and an id that may be another's"
inside sh -c ': >/var/lib/docker/containers/file'
expect_exit 0 stasis snapshot web3 --dir "$WORK/beside-a-file"
inside mkdir "/var/lib/docker/containers/${ID:0:12}another"
expect_exit 4 stasis snapshot "docker:${ID:0:12}" --dir "$WORK/none"
inside rm -r /var/lib/docker/containers/file "/var/lib/docker/containers/${ID:0:12}another"

echo "== a name that two engines have, and none"
inside mkdir -p /run/containerd/io.containerd.runtime.v2.task/other/web3
expect_exit 2 stasis snapshot web3 --dir "$WORK/none"
[[ $ERR == *"docker:web3 or containerd:web3"* ]] || fail "no choices: $ERR"
inside rmdir /run/containerd/io.containerd.runtime.v2.task/other/web3 /run/containerd/io.containerd.runtime.v2.task/other
docker stop --time 0 web3 >/dev/null
expect_exit 1 stasis snapshot web3 --dir "$WORK/none"
[[ $ERR == *"does not run"* ]] || fail "a stopped one: $ERR"
assert_no_leftovers
