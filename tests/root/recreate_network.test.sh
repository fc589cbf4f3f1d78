#!/usr/bin/env bash
# A network namespace that was made by path, as a reboot takes it away with its veth and its bridge: the restore makes
# it again, and takes it away again where it fails.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/redis.sh"

says() { grep -qF -- "$1" <<<"$ERR$OUT" || fail "'$1' is not in: $ERR$OUT"; }

ID=$(unique_id network)
BUNDLE=$WORK/bundle
NETNS=network-$RUN BRIDGE=br-$RUN OUTSIDE=ve-$RUN
track_netns "$NETNS"
echo "ip link delete $OUTSIDE; ip link delete $BRIDGE" >"$REGISTRY/undo.devices"
redis_bundle
bundle_netns "$BUNDLE" "$NETNS"
bundle_volume "$BUNDLE" "$WORK/volume" /data
printf held >"$WORK/volume/held"
bundle_args "$BUNDLE" /bin/sh -c "exec 3</data/held; exec $(command -v redis-server) /etc/redis.conf"

ip netns add "$NETNS"
ip link add name "$BRIDGE" address 02:00:00:79:00:01 type bridge
ip address add 10.79.0.1/24 dev "$BRIDGE"
ip link set dev "$BRIDGE" up
ip link add name "$OUTSIDE" mtu 1400 type veth peer name eth0 netns "$NETNS"
ip link set dev "$OUTSIDE" master "$BRIDGE" up
inside() { ip -n "$NETNS" "$@"; }
inside link set dev lo up
inside link set dev eth0 mtu 1400 up
inside address add 10.79.0.2/24 broadcast 10.79.0.255 dev eth0
inside address add fd79::2/64 dev eth0 nodad
inside address add 10.79.9.9/32 dev lo
inside route add default via 10.79.0.1 dev eth0 metric 7
inside -6 route add default via fd79::1 dev eth0 metric 8
inside route add 10.80.0.0/16 via 10.79.0.7

# What matters of it, in a form to be compared: addresses and MACs, MTUs, routes.
network() {
    {
        inside -oneline link show | sed -E 's/@[^:]*:/:/; s/ qdisc .*(link\/)/ \1/'
        inside -oneline -4 address show
        inside -oneline -6 address show scope global
        inside -4 route show
        inside -6 route show
        ip -oneline link show dev "$OUTSIDE" | grep -oE 'mtu [0-9]+|master [^ ]+|link/ether [^ ]+'
        ip -oneline -4 address show dev "$BRIDGE" | sed 's/^[0-9]*: //'
    } | sed -E 's/valid_lft.*//; s/ linkdown//; s/ +$//'
}
settled() { ip -oneline link show dev "$OUTSIDE" | grep -q LOWER_UP; }
no_network() {
    [ ! -e "/run/netns/$NETNS" ] || fail "the namespace is there $1"
    [ ! -e "/sys/class/net/$OUTSIDE" ] || fail "the host's end is there $1"
    [ ! -e "/sys/class/net/$BRIDGE" ] || fail "the bridge is there $1"
}
wait_for 10 "the devices are up" settled
start_container "$ID" "$BUNDLE"
wait_for 10 "redis answers" redis_answers
redis_work
data=$(redis_data)
client_status=$WORK/client
in_background "$(target client)" redis 10.79.0.2 6379 "$client_status"
counted() { field counter "$(<"$client_status")" 2>/dev/null || echo 0; }
counts_beyond() { [ "$(counted)" -gt "$1" ]; }
wait_for 10 "the client's answers" counts_beyond 5
before=$(network)

# What a reboot takes away. The other end of the connection is another host's, and goes on trying.
reboot() {
    ip link delete "$OUTSIDE"
    ip netns delete "$NETNS"
    ip link delete "$BRIDGE"
}

echo "== without the option it is named, and so is the option"
stasis stateful-stop "runc:$ID"
connection=$(field connection "$(<"$client_status")")
reboot
expect_exit 6 stasis restore "runc:$ID"
says "the network namespace '/run/netns/$NETNS' is not there"
says "--recreate-network makes the network namespace again as it was"
no_network "after a refusal"

echo "== whatever fails takes it away again: before the processes, and with CRIU"
mv "$WORK/volume/held" "$WORK/held"
expect_exit 6 stasis restore "runc:$ID" --recreate-network
says "'$WORK/volume/held' is not there"
! grep -qF netns <<<"$ERR" || fail "the namespace is missed: $ERR"
no_network "after a misfit"
expect_exit 1 stasis restore "runc:$ID" --recreate-network --ignore-misfit files
says "held"
no_network "after a failure of CRIU"
mv "$WORK/held" "$WORK/volume/held"
ip link add name "$OUTSIDE" type bridge
expect_exit 6 stasis restore "runc:$ID" --recreate-network
says "'$OUTSIDE', which was the host's end of its veth, is another device now"
ip link delete "$OUTSIDE"
no_network "after another device had its name"

echo "== made again as it was, and the connection from outside goes on"
count=$(counted)
expect_exit 0 stasis --json restore "runc:$ID" --recreate-network
says '"recreated_network": true'
wait_for 10 "the devices are up" settled
check_eq "$(network)" "$before" "the network"
wait_for 20 "redis answers" redis_answers
check_eq "$(redis_data)" "$data" "what is in redis"
wait_for 60 "the client's connection goes on" counts_beyond "$count"
check_eq "$(field gaps "$(<"$client_status")") $(field connection "$(<"$client_status")")" "0 $connection" "the client"
assert_no_leftovers

echo "== all: into the bridge that another one has made; one that is there is left alone"
stasis stateful-stop --all
ip link delete "$OUTSIDE"
ip netns delete "$NETNS"
count=$(counted)
expect_exit 0 stasis restore --all --recreate-network
wait_for 10 "the devices are up" settled
check_eq "$(network)" "$before" "the network"
wait_for 60 "the client's connection goes on" counts_beyond "$count"
stasis stateful-stop "runc:$ID"
ip link set dev "$OUTSIDE" down # as a run leaves it that was killed before it came to its end
expect_exit 0 stasis --json restore "runc:$ID" --recreate-network
says '"recreated_network": false'
wait_for 10 "the devices are up" settled
wait_for 20 "redis answers" redis_answers

echo "== what can't be made again is said"
rc kill "$ID" KILL
wait_for 10 "its end" eval '! container_runs "$ID"'
rc delete --force "$ID"
inside link add name bridge0 type bridge
inside link set dev bridge0 up
start_container "$ID" "$BUNDLE"
wait_for 10 "redis answers" redis_answers
stasis stateful-stop "runc:$ID"
reboot
expect_exit 6 stasis restore "runc:$ID" --recreate-network
says "it had the device 'bridge0' of kind 'bridge'"
no_network "after a refusal"
