#!/usr/bin/env bash
# Networks that move: a namespace made before the container, on both hosts under the same name, with one connection from
# outside that goes on; and what is said where that can't be.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"
. "$TESTS_DIR/status.sh"
. "$TESTS_DIR/redis.sh"
. "$TESTS_DIR/veth.sh"

MAC=02:00:0a:4d:00:02 OTHER_MAC=02:00:0a:4d:00:99
second_host_setup

# The outer namespace is a switch, to which the inner one of this host is connected.
veth_setup
ip -n "$OUTER_NETNS" address flush dev veth0
ip -n "$INNER_NETNS" link set veth0 address "$MAC"
ip -n "$OUTER_NETNS" link add br0 type bridge || skip_machine "this kernel has no bridges"
ip -n "$OUTER_NETNS" link set br0 address 02:00:0a:4d:00:01 # not that of any port: what it knows would go with those
ip -n "$OUTER_NETNS" address add 10.77.0.1/24 dev br0
ip -n "$OUTER_NETNS" link set br0 up
ip -n "$OUTER_NETNS" link set veth0 master br0

ID=$(unique_id redis) TARGET=runc:$ID BUNDLE=$SRV/$ID
redis_outside

echo "== no such namespace there"
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
grep -q "network namespace '/run/netns/$INNER_NETNS' is not there" <<<"$ERR" || fail "it is not named: $ERR"
client_goes_on

echo "== no such address there"
in_host_b ip netns add "$INNER_NETNS"
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
grep -q "10.77.0.2" <<<"$ERR" || fail "the address is not named: $ERR"
client_goes_on

echo "== a connection goes on"
in_background nsenter -t "$HOST_B_PID" --mount --net ip netns exec "$INNER_NETNS" sleep 1000
wait_for 10 "a process there" grep -qx sleep "/proc/$BACKGROUND/comm"
ip -n "$OUTER_NETNS" link add veth1 type veth peer name veth0 address "$MAC" netns "$BACKGROUND"
in_inner_b() { nsenter -t "$BACKGROUND" --net "$@"; }
in_inner_b ip link set lo up
in_inner_b ip address add 10.77.0.2/24 dev veth0
in_inner_b ip link set veth0 up
ip -n "$OUTER_NETNS" link set veth1 up
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
grep -q "'/run/netns/$INNER_NETNS' stays closed here" <<<"$ERR" || fail "not said: $ERR"
ip -n "$OUTER_NETNS" link set veth0 nomaster
ip -n "$OUTER_NETNS" link set veth1 master br0
client_goes_on
runs_there || fail "it does not run there"
client_stop
rc_b delete --force "$ID"

echo "== the one that is left answers no more, and neighbours learn where the other one is"
ip -n "$INNER_NETNS" link show dev veth0 | grep -q NOARP || fail "it would still answer for the address here"
ip netns exec "$INNER_NETNS" nft flush ruleset
ip -n "$INNER_NETNS" link set veth0 arp on
in_inner_b ip link set veth0 address "$OTHER_MAC"
ip -n "$OUTER_NETNS" link set veth1 nomaster
ip -n "$OUTER_NETNS" link set veth0 master br0
ID=$(unique_id quiet) TARGET=runc:$ID BUNDLE=$SRV/$ID
make_bundle "$BUNDLE"
bundle_netns "$BUNDLE" "$INNER_NETNS"
start_container "$ID" "$BUNDLE"
neighbour() { ip -n "$OUTER_NETNS" neighbour show 10.77.0.2 | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
has_neighbour() { [ "$(neighbour)" = "$1" ]; }
ip -n "$OUTER_NETNS" neighbour flush all
ip netns exec "$OUTER_NETNS" bash -c ': >/dev/tcp/10.77.0.2/1' 2>/dev/null || true # it has to ask for the address
wait_for 5 "an entry for 10.77.0.2" has_neighbour "$MAC"
# It is on the same link, and does not answer before the container is there.
in_inner_b ip link set veth0 arp off
ip -n "$OUTER_NETNS" link set veth1 master br0
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
! in_inner_b ip link show dev veth0 | grep -q NOARP || fail "it does not answer there"
wait_for 5 "the neighbour to hear of $OTHER_MAC: $(neighbour)" has_neighbour "$OTHER_MAC"
check_eq "$(in_inner_b cat /proc/sys/net/ipv4/conf/veth0/arp_notify)" 0 "a setting that was borrowed"
rc_b delete --force "$ID"
