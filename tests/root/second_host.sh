# Sourced after common.sh and bundle.sh: a second host on this kernel. It has its own network, mounts, host name and
# control groups, and an sshd that listens on its loopback interface alone; ssh enters its network to get there.
# $SRV, the runc root and the store are other folders there, under the same names; their contents are in $HOST_B.
# shellcheck shell=bash
need ssh ssh-keygen /usr/sbin/sshd

SRV=$WORK/srv HOST_B=$WORK/host-b
HOST_B_ID=host-b-$RUN

second_host_setup() {
    mkdir -p "$SRV" "$STASIS_STORE" "$HOST_B"/{srv,runc,store,tmp}
    chmod 0700 "$STASIS_STORE" "$HOST_B/store"
    echo "$HOST_B_ID" >>"$REGISTRY/ids"
    track_netns "$HOST_B_ID"
    ip netns add "$HOST_B_ID"
    ip -n "$HOST_B_ID" link set lo up
    ssh-keygen -q -t ed25519 -N '' -f "$HOST_B/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$HOST_B/key"
    # SHLVL: what sshd starts is no top-level shell, which would read the user's .bashrc.
    cat >"$HOST_B/sshd_config" <<CONF
ListenAddress 127.0.0.1:2222
HostKey $HOST_B/host_key
AuthorizedKeysFile $HOST_B/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
SetEnv STASIS_TEST_RUN=$WORK PATH=$PATH STASIS_CRIU=${STASIS_CRIU:-} SHLVL=2
CONF
    cat >"$HOST_B/ssh_config" <<CONF
UserKnownHostsFile $HOST_B/known_hosts
StrictHostKeyChecking yes
BatchMode yes
CONF
    echo "[127.0.0.1]:2222 $(<"$HOST_B/host_key.pub")" >"$HOST_B/known_hosts"
    SSH="nsenter --net=/run/netns/$HOST_B_ID ssh -F $HOST_B/ssh_config"
    # shellcheck disable=SC2034
    TO=(--ssh "$SSH" --port 2222 --identity "$HOST_B/key" --remote-stasis
        "$STASIS --store $STASIS_STORE $ROOTS")
    HOST=root@127.0.0.1
    in_background bash -c "$(declare -f second_host second_host_inside); second_host \"\$@\"" host-b \
        "$HOST_B" "$HOST_B_ID" "$SRV" "$RUNC_ROOT" "$STASIS_STORE"
    HOST_B_PID=$BACKGROUND
    wait_for 10 "an answer of the second host" host_b true
}

# way_back REMOTE-STASIS: sets BACK to the options of a move from there to here. Only processes that are not its own
# say where this one's namespaces are.
way_back() {
    cat >"$WORK/ssh-back" <<SH
#!/bin/sh
shift # the host
exec sh -c "\$*"
SH
    chmod +x "$WORK/ssh-back"
    # shellcheck disable=SC2034
    BACK=(--ssh "nsenter -t $$ --mount --net --uts --cgroup $WORK/ssh-back" --remote-stasis "$1")
}

# A control group of its own in each hierarchy becomes its root, unless SHARED_CGROUPS is set.
second_host() { # FOLDER NAME SRV RUNC_ROOT STORE
    local hierarchy
    exec 2>"$1/log"
    # shellcheck disable=SC2093
    [ -z "${SHARED_CGROUPS:-}" ] || exec nsenter --net="/run/netns/$2" unshare --mount --uts --propagation private \
        bash -c "$(declare -f second_host_inside); second_host_inside \"\$@\"" host-b "$@"
    while read -r hierarchy; do
        mkdir -p "$hierarchy/$2" || continue
        if [ -e "$hierarchy/cpuset.cpus" ] && [ -e "$hierarchy/tasks" ]; then
            cat "$hierarchy/cpuset.cpus" >"$hierarchy/$2/cpuset.cpus"
            cat "$hierarchy/cpuset.mems" >"$hierarchy/$2/cpuset.mems"
        fi
        echo "$$" >"$hierarchy/$2/cgroup.procs"
    done < <(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts)
    exec nsenter --net="/run/netns/$2" unshare --mount --uts --cgroup --propagation private \
        bash -c "$(declare -f second_host_inside); second_host_inside \"\$@\"" host-b "$@"
}

second_host_inside() {
    local type folder options
    hostname "$2"
    [ -n "${SHARED_CGROUPS:-}" ] || while read -r _ folder type options _; do
        options=$(tr ',' '\n' <<<"$options" | grep -vxE 'rw|ro|nosuid|nodev|noexec|relatime|noatime|nsdelegate|memory_.*' | paste -sd,)
        umount "$folder"
        mount -t "$type" ${options:+-o "$options"} "$type" "$folder"
    done < <(grep -E '^[^ ]+ [^ ]+ cgroup' /proc/mounts)
    mount -t tmpfs tmpfs /run
    mkdir -p /run/sshd
    mount --bind "$1/srv" "$3"
    mount --bind "$1/runc" "$4"
    mount --bind "$1/store" "$5"
    exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
}

# host_b COMMAND...: runs it there.
host_b() {
    # shellcheck disable=SC2086
    $SSH -p 2222 -i "$HOST_B/key" "$HOST" "$@" </dev/null
}

rc_b() { in_host_b "$RUNTIME" --root "$RUNC_ROOT" "$@"; }
in_host_b() {
    local own=--cgroup
    [ -z "${SHARED_CGROUPS:-}" ] || own=--no-fork # which changes nothing
    nsenter -t "$HOST_B_PID" --mount --uts --net "$own" "$@"
}
