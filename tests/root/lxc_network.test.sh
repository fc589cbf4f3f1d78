#!/usr/bin/env bash
# A container of LXC on a bridge: it comes back with its address, its hardware address and its connections, and leaves
# no end of a cable behind.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/lxc.sh"
. "$(dirname "$0")/lxc_bridge.sh"
. "$(dirname "$0")/status.sh"
. "$(dirname "$0")/veth.sh"
need redis-server redis-cli

MAC=02:00:0a:4d:00:02

redis() { outside redis-cli -h 10.77.0.2 "$@"; }
redis_answers() { [ "$(redis PING)" = PONG ]; }
no_ports() { [ "$(ports)" = 0 ]; }
ports() { ip -n "$OUTER_NETNS" -br link show master br0 | wc -l; }
addresses() { in_lxc ip -o address show dev eth0 | sed 's/ tentative//; s/ valid_lft.*//; s/^[0-9]*: //'; in_lxc cat /sys/class/net/eth0/address; }

check_network() { # WHAT
    check_eq "$(lxc_state)" RUNNING "$1: lxc-info"
    check_eq "$(addresses)" "$ADDRESSES" "$1: addresses"
    check_eq "$(ports)" 1 "$1: devices of the bridge"
    check_eq "$(lxc info | sed -n 's/^Link: *//p')" \
        "$(ip -n "$OUTER_NETNS" -br link show master br0 | sed 's/[@ ].*//')" "$1: its device, as lxc-info says"
    redis_answers || fail "$1: redis does not answer"
}

mapfile -t NETWORK < <(on_bridge 10.77.0.2)
NETWORK+=("lxc.net.0.hwaddr = $MAC")
for pair in "" "lxc.net.0.veth.pair = box0"; do
    echo "== redis with a client outside ${pair:+($pair)}"
    make_container "redis${pair:+2}" "exec redis-server --bind 0.0.0.0 --protected-mode no --save '' --dir /tmp" ${pair:+"$pair"}
    bundle_add_program "$LXC/$NAME" "$(command -v redis-server)"
    lxc start --daemon --logfile "$WORK/$NAME.log" </dev/null >/dev/null 2>&1
    wait_for 20 "redis" redis_answers
    ADDRESSES=$(addresses)
    [[ $ADDRESSES == *10.77.0.2/24*$MAC ]] || fail "its addresses: $ADDRESSES"
    ID=$NAME
    client_start redis 6379
    check_network "before"
    stasis snapshot "$NAME" s1 >/dev/null
    client_goes_on
    check_network "after the snapshot"
    for round in 1 2; do
        stasis stateful-stop "$NAME" >/dev/null
        check_eq "$(lxc_state)" STOPPED "after the stop"
        stasis restore "$NAME" >/dev/null
        client_goes_on
        check_network "after restore $round"
    done
    redis SET after snapshot >/dev/null
    lxc stop --kill
    wait_for 10 "the bridge to be empty" no_ports
    client_stop
    stasis restore "$NAME" s1 >/dev/null
    check_network "after the restore of the snapshot"
    check_eq "$(redis GET after)" "" "what was written after the snapshot"
    lxc stop --kill
    wait_for 10 "the bridge to be empty" no_ports
    assert_no_leftovers
done
echo "== its bridge is gone"
stasis restore "$NAME" s1 >/dev/null
stasis stateful-stop "$NAME" >/dev/null
ip -n "$OUTER_NETNS" link set br0 name other
expect_exit 6 stasis restore "$NAME"
[[ $ERR == *"bridge 'br0'"* && $ERR == *lxc.net.0.link* ]] || fail "no cause or no remedy: $ERR"
ip -n "$OUTER_NETNS" link set other name br0
stasis restore "$NAME" >/dev/null
check_network "after the bridge came back"
lxc stop --kill

echo "== other kinds of networks"
NETWORK=("lxc.net.0.type = macvlan" "lxc.net.0.link = br0")
new_container macvlan 'sleep 1000'
expect_exit 1 stasis snapshot "$NAME"
[[ $ERR == *macvlan* && $ERR == *lxc.net.0.type* ]] || fail "no cause or no remedy: $ERR"
lxc stop --kill
