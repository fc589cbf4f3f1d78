# Sourced after common.sh: containers of LXC with busybox in a folder of this test's own.
# shellcheck shell=bash
need lxc-start lxc-checkpoint busybox

: "${LXC:=$WORK/engine/lxc}"
mkdir -p "$LXC"
cat >"$REGISTRY/undo.lxc" <<UNDO
for container in "$LXC"/*/; do
    lxc-stop --lxcpath "$LXC" --name "\$(basename "\$container")" --kill
done
find /sys/fs/cgroup -path '*/lxc.*-$RUN*' -name cgroup.procs -exec cat {} + | xargs -r kill -KILL
find /sys/fs/cgroup -depth -type d '(' -path '*/lxc.*-$RUN*' -o -name lxc.pivot ')' -exec rmdir {} \;
UNDO

stasis() { "$STASIS" --store "$STASIS_STORE" --lxc-path "$LXC" "$@"; }

# Runs an lxc- tool for $NAME.
lxc() { "lxc-$1" --lxcpath "$LXC" --name "$NAME" "${@:2}"; }
lxc_state() { lxc info --no-humanize --state; }
in_lxc() { lxc attach -- "$@"; }

NETWORK=("lxc.net.0.type = empty")

# make_container NAME SCRIPT [LINE-OF-THE-CONFIGURATION...]: sets $NAME and $ROOTFS
make_container() {
    local name
    NAME=$1-$RUN ROOTFS=$LXC/$1-$RUN/rootfs
    mkdir -p "$ROOTFS"/{bin,dev,proc,sys,tmp}
    cp "$(command -v busybox)" "$ROOTFS/bin/"
    for name in sh cat cut ip mv sleep tty; do ln -s busybox "$ROOTFS/bin/$name"; done
    printf '#!/bin/sh\n%s\n' "$2" >"$ROOTFS/init"
    chmod 755 "$ROOTFS/init"
    printf '%s\n' "lxc.uts.name = box" "lxc.rootfs.path = dir:$ROOTFS" "lxc.init.cmd = /init" \
        "${NETWORK[@]}" "lxc.mount.auto = proc:mixed sys:ro" "${@:3}" >"$LXC/$NAME/config"
}

# The same, and starts it.
new_container() {
    make_container "$@"
    lxc start --daemon --logfile "$WORK/$NAME.log" </dev/null >/dev/null 2>&1
    wait_for 20 "$NAME starts" grep -qx RUNNING <(lxc_state)
}
