# Sourced after bundle.sh and lxc.sh: LXC and stasis run in a network of this test's own, $OUTER_NETNS, with the bridge
# br0 (10.77.0.1).
# shellcheck shell=bash
OUTER_NETNS=outer-$RUN
track_netns "$OUTER_NETNS"
ip netns add "$OUTER_NETNS"
ip -n "$OUTER_NETNS" link set lo up
ip -n "$OUTER_NETNS" link add br0 type bridge || skip_machine "this kernel has no bridges"
ip -n "$OUTER_NETNS" address add 10.77.0.1/24 dev br0
ip -n "$OUTER_NETNS" link set br0 up
# LXC looks for the bridge in /sys, which is of the network in which it was mounted.
mkdir "$WORK/cgroups"
# shellcheck disable=SC2016  # the inner shell's own variables
in_background nsenter --net="/run/netns/$OUTER_NETNS" unshare --mount bash -c '
    mount --rbind /sys/fs/cgroup "$1" && mount -t sysfs sysfs /sys && mount --rbind "$1" /sys/fs/cgroup &&
        : >"$1.ready" && exec sleep 1000' host "$WORK/cgroups"
HOST_PID=$BACKGROUND
wait_for 10 "a host for the container" test -e "$WORK/cgroups.ready"
outside() { nsenter -t "$HOST_PID" --net --mount "$@"; }
lxc() { outside "lxc-$1" --lxcpath "$LXC" --name "$NAME" "${@:2}"; }
stasis() { outside "$STASIS" --store "$STASIS_STORE" --lxc-path "$LXC" "$@"; }

# on_bridge ADDRESS: lines for a container's configuration.
on_bridge() {
    printf '%s\n' "lxc.net.0.type = veth" "lxc.net.0.link = br0" "lxc.net.0.flags = up" "lxc.net.0.ipv4.address = $1/24"
}
