# Sourced after status.sh by tests whose client is outside: two network namespaces of this run, joined by a veth
# pair: $INNER_NETNS (10.77.0.2) for the container, $OUTER_NETNS (10.77.0.1) for the client.
# shellcheck shell=bash

veth_setup() {
    INNER_NETNS=inner-$RUN OUTER_NETNS=outer-$RUN
    local name
    for name in "$INNER_NETNS" "$OUTER_NETNS"; do
        track_netns "$name"
        ip netns add "$name"
        ip -n "$name" link set lo up
    done
    ip link add veth0 netns "$INNER_NETNS" type veth peer name veth0 netns "$OUTER_NETNS"
    ip -n "$INNER_NETNS" address add 10.77.0.2/24 dev veth0
    ip -n "$OUTER_NETNS" address add 10.77.0.1/24 dev veth0
    ip -n "$INNER_NETNS" link set veth0 up
    ip -n "$OUTER_NETNS" link set veth0 up
}

# client_start PROTOCOL PORT: a client outside with one connection into the container; its status is $STATUS.
client_start() {
    STATUS=$WORK/$ID.client
    rm -f "$STATUS"
    in_background ip netns exec "$OUTER_NETNS" "$(target client)" "$1" 10.77.0.2 "$2" "$STATUS"
    CLIENT=$(process_identity "$BACKGROUND")
    wait_for 10 "the client's first answer" test -s "$STATUS"
    CONNECTION=$(field connection "$(<"$STATUS")")
}

# It goes on within $CLIENT_SECONDS (20), on the connection that it began with.
client_goes_on() {
    local before
    before=$(status_field counter)
    wait_for "${CLIENT_SECONDS:-20}" "the client to count on from $before: $(<"$STATUS")" status_at_least counter $((before + 5))
    check_eq "$(status_field state) $(status_field gaps)" "ok 0" "state and gaps of the client"
    check_eq "$(status_field connection)" "$CONNECTION" "the client's connection"
}

# redis_outside: redis in $INNER_NETNS, as the container $ID in $BUNDLE, and its client outside.
redis_outside() {
    redis_bundle
    bundle_netns "$BUNDLE" "$INNER_NETNS"
    bundle_args "$BUNDLE" "$(command -v redis-server)" /etc/redis.conf
    start_container "$ID" "$BUNDLE"
    wait_for 10 "redis" redis_answers
    client_start redis 6379
}

client_stop() {
    kill_identity "$CLIENT"
}
