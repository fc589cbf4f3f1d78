#!/usr/bin/env bash
# Two hosts with kernels of their own on one bridge, and a client outside with one connection to redis: redis moves from
# the old kernel to the new one and back, with its memory, and the client gets every answer on that connection.
. "$(dirname "$0")/lab.sh"
# shellcheck source=tests/root/status.sh
. "$TESTS_DIR/status.sh"
# shellcheck source=tests/root/veth.sh
. "$TESTS_DIR/veth.sh"
need ssh ssh-keygen

# shellcheck disable=SC2034
ID=moved MEMORY=768 OUTER_NETNS=outer-$RUN CLIENT_SECONDS=60
KERNELS=([1]=old [2]=new)

# The payload's: one container, and what sshd and ssh need.
lab_bundles() {
    local ssh=$WORK/payload/lab/ssh
    BUNDLE=$WORK/payload/lab/bundles/$ID
    mkdir -p "$BUNDLE" "$ssh"
    redis_bundle
    bundle_netns "$BUNDLE" moved
    bundle_args "$BUNDLE" "$(command -v redis-server)" /etc/redis.conf
    ssh-keygen -q -t ed25519 -N '' -f "$ssh/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$ssh/key"
    echo "10.77.0.11,10.77.0.12 $(<"$ssh/host_key.pub")" >"$ssh/known_hosts"
    cat >"$ssh/sshd_config" <<CONF
HostKey /lab/ssh/host_key
AuthorizedKeysFile /lab/ssh/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CONF
    cat >"$ssh/config" <<CONF
UserKnownHostsFile /lab/ssh/known_hosts
IdentityFile /lab/ssh/key
StrictHostKeyChecking yes
BatchMode yes
ConnectTimeout 60
CONF
    cp -a "$ssh" "$WORK/ssh"
}

outside() { ip netns exec "$OUTER_NETNS" "$@"; }
host() { # NUMBER COMMAND: for the shell there
    outside ssh -F "$WORK/ssh/config" -o "UserKnownHostsFile=$WORK/ssh/known_hosts" -o "IdentityFile=$WORK/ssh/key" \
        "root@10.77.0.1$1" "$2" </dev/null
}

network_setup() {
    local number
    track_netns "$OUTER_NETNS"
    ip netns add "$OUTER_NETNS"
    ip -n "$OUTER_NETNS" link add br0 type bridge || skip_machine "this kernel has no bridges"
    ip -n "$OUTER_NETNS" address add 10.77.0.1/24 dev br0
    ip -n "$OUTER_NETNS" link set br0 up
    for number in 1 2; do
        ip -n "$OUTER_NETNS" tuntap add dev "tap$number" mode tap || skip_machine "this kernel has no tap devices"
        ip -n "$OUTER_NETNS" link set "tap$number" master br0 up
    done
}

declare -A GUESTS CONSOLES MARKS
switch_on() { # NUMBER
    # shellcheck disable=SC2034
    DISK=$WORK/host-$1.img TAP=tap$1
    new_guest
    power_on "${KERNELS[$1]}" "host_$1"
    GUESTS[$1]=$GUEST CONSOLES[$1]=$CONSOLE MARKS[$1]=$MARK
}
look_at() { GUEST=${GUESTS[$1]} CONSOLE=${CONSOLES[$1]} MARK=${MARKS[$1]}; } # NUMBER
serves() {
    look_at "$1"
    guest_is_off || said serves
}

redis() { outside redis-cli -h 10.77.0.2 -n "$1" "${@:2}" </dev/null; } # DATABASE COMMAND...
fill_redis() {
    redis 0 EVAL '
for i = 1, 2000 do redis.call("SET", "key:" .. i, string.rep(redis.sha1hex(i), 200)) end
return "OK"' 0 >/dev/null
}

# moves FROM TO [OPTION...]
moves() {
    local report before
    before=$(status_field counter)
    report=$(host "$1" "stasis --json move-to-host $ID root@10.77.0.1$2 --ssh 'ssh -F /lab/ssh/config' \
        --remote-pre-hook '/lab/network $2' --remote-post-hook '/lab/network $2 here' ${*:3}")
    client_goes_on
    check_ge "$(status_field counter)" "$before" "what redis counted for the client"
    check_eq "$(host "$2" 'runc list -q; uname -r')" "$ID"$'\n'"$(kernel_release "${KERNELS[$2]}")" "what runs on host $2"
    host "$2" "ip -n moved link show dev still" | grep -q NOARP || fail "a dummy device asks for addresses now"
    check_eq "$(host "$1" 'runc list -q; find /var/lib/stasis -name "stop-*"')" "" "what is left on host $1"
    grep -E '"(mode|downtime_us|total_us|bytes_sent)"' <<<"$report"
}

two_hosts() {
    local number data
    for number in 1 2; do switch_on "$number"; done
    for number in 1 2; do
        wait_for "$BOOT_SECONDS" "host $number" serves "$number"
        wait_for 60 "sshd of host $number" host "$number" true
    done
    host 2 "rm -r /lab/bundles/$ID"
    host 1 "/lab/network 1 && /lab/network 1 here &&
        runc run -d --bundle /lab/bundles/$ID $ID </dev/null >/dev/null 2>&1"
    wait_for 60 "redis" redis_answers
    fill_redis
    data=$(redis_data)
    client_start redis 6379
    echo "== from $(kernel_release old) to $(kernel_release new)"
    moves 1 2 --mode pre-copy
    echo "== and back"
    moves 2 1 --mode stop-copy
    client_stop
    check_eq "$(redis_data)" "$data" "what is in redis"
    for number in 1 2; do host "$number" "touch /run/off"; done
    for number in 1 2; do
        look_at "$number"
        wait_for_off "host $number"
        said 'ended 0' || fail "host $number: $(tail -n 60 "$CONSOLE")"
    done
}

# The emulator's failure, and nobody else's, as in lab.sh, of one of the two.
machines_failed() {
    [ -n "$(grep -l 'Kernel panic' "$WORK"/console.*; grep -L 'LAB .* runs host_' "$WORK"/console.*)" ]
}

network_setup
for try in 1 2 3; do
    set +e
    (set -e; two_hosts)
    status=$?
    set -e
    [ "$status" != 0 ] || exit 0
    machines_failed || fail "$(tail -n 30 "$WORK"/console.*)"
    echo "a machine failed in try $try: $(tail -n 30 "$WORK"/console.*)"
    for identity in $(run_processes 'qemu-system-x86|client'); do kill_identity "$identity"; done
    rm -f "$WORK"/console.*
done
fail "a machine failed in each try"
