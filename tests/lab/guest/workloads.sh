# Sourced in the guest: the containers, what they have reached, and the steps that a test can ask for.
# shellcheck shell=bash

CONTAINERS=(counter volume redis)
# Where each writes down how far it is.
declare -A STATUS=(
    [counter]=/lab/bundles/counter/rootfs/status
    [volume]=/lab/volume/status
    [redis]=/lab/bundles/redis/rootfs/status
    [writer]=/lab/bundles/writer/rootfs/status
)
STATE=/lab/state

field() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<<"$2"; } # KEY TEXT

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited for: $*"
        sleep 0.1
    done
}

runs() { runc state "$1" 2>/dev/null | grep -q '"status": "running"'; }
status() { cat "${STATUS[$1]}"; }
counts_beyond() { [ "$(field counter "$(status "$1")")" -gt "$2" ]; }
redis() { nsenter -t "$(runc state redis | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')" -n redis-cli -h 127.0.0.1 "$@"; }
# Of the data alone: the client in the container has database 1.
redis_digest() {
    redis EVAL '
local keys, all = redis.call("KEYS", "*"), {}
table.sort(keys)
for _, key in ipairs(keys) do table.insert(all, key .. redis.sha1hex(redis.call("DUMP", key))) end
return #keys .. "-" .. redis.sha1hex(table.concat(all))' 0
}

# start_all: and data in redis
start_all() {
    local id
    mkdir -p "$STATE"
    for id in "${CONTAINERS[@]}"; do
        runc run -d --bundle "/lab/bundles/$id" "$id" </dev/null >/dev/null 2>&1 || fail "runc run $id"
    done
    for id in "${CONTAINERS[@]}"; do wait_for 60 counts_beyond "$id" 20; done
    redis EVAL 'for i = 1, 5000 do redis.call("SET", "key:" .. i, redis.sha1hex(i)) end return "OK"' 0 >/dev/null
    redis_digest >"$STATE/redis.digest"
}

# Once they are stopped: what they wrote last, which is what they go on from.
remember() {
    local id
    for id; do status "$id" >"$STATE/$id"; done
    uname -r >"$STATE/kernel"
    sync
}

# goes_on ID: it runs and is the same that it was, with nothing lost.
goes_on() {
    local id=$1 before now
    before=$(<"$STATE/$id")
    runs "$id" || fail "$id does not run"
    wait_for 60 counts_beyond "$id" "$(field counter "$before")"
    now=$(status "$id")
    if [ "$id" = redis ]; then
        # Each answer was one more than the last, on the one connection.
        [ "$(field state "$now") $(field gaps "$now") $(field connection "$now")" = "ok 0 $(field connection "$before")" ] ||
            fail "the client of redis: $now, before: $before"
        [ "$(redis_digest)" = "$(<"$STATE/redis.digest")" ] || fail "other data in redis"
    else
        [ "$(field nonce "$now")" = "$(field nonce "$before")" ] || fail "$id was started anew: $now, before: $before"
        [ "$(field backwards "$now")" = 0 ] || fail "the clock of $id went backwards: $now"
    fi
    say "goes-on $id $(field counter "$before") $(field counter "$now")"
}

stop_all() {
    local other id
    stasis check
    for other in /boot/config-*; do
        [ "$other" = "/boot/config-$(uname -r)" ] || stasis check --for-kernel "${other#*config-}"
    done
    stasis stateful-stop --all
    for id in "${CONTAINERS[@]}"; do ! runs "$id" || fail "$id still runs"; done
    remember "${CONTAINERS[@]}"
}

step_down() {
    start_all
    stop_all
}

step_up() {
    [ "$(uname -r)" != "$(<"$STATE/kernel")" ] || fail "this is the kernel that it was"
    stasis restore --all
    local id
    for id in "${CONTAINERS[@]}"; do goes_on "$id"; done
}

step_up_and_down() {
    step_up
    stop_all
}

# --- with the units of dist/ ---

step_unit_down() {
    start_all
    systemctl enable --now stasis-host.service
    # At least so far; what they reach until they are stopped comes on top.
    remember "${CONTAINERS[@]}"
    systemctl --no-block poweroff
}

step_unit_up() {
    [ "$(uname -r)" != "$(<"$STATE/kernel")" ] || fail "this is the kernel that it was"
    local id
    journalctl --no-pager -q -o cat -u stasis-host -u stasis-restore
    [ "$(systemctl show -P Result stasis-restore.service)" = success ] || fail "stasis-restore.service failed"
    for id in "${CONTAINERS[@]}"; do goes_on "$id"; done
    # What comes after the step is no part of it.
    systemctl disable stasis-host.service
    systemctl --no-block poweroff
}

# --- with a power cut ---

sealed() { find "/var/lib/stasis/runc/$1" -mindepth 1 -maxdepth 1 -name 'stop-*' ! -name '*.partial' 2>/dev/null | grep -q .; }
two_sealed() { local id count=0; for id in "${CONTAINERS[@]}"; do ! sealed "$id" || ((++count)); done; ((count > 1)); }
some_run() { local id; for id in "${CONTAINERS[@]}"; do ! runs "$id" || return 0; done; return 1; }
all_run() { local id; for id in "${CONTAINERS[@]}"; do runs "$id" || return 1; done; }

# The host pulls the plug when it reads "cut".
step_cut_down() {
    start_all
    remember "${CONTAINERS[@]}"
    stasis stateful-stop --all --jobs 1 &
    wait_for 120 two_sealed
    say cut
    wait
    fail "the power is still on"
}

step_cut_up() {
    stasis restore --all --jobs 1 &
    wait_for 120 some_run
    ! all_run || fail "nothing was left to restore"
    say cut
    wait
    fail "the power is still on"
}

# Each is back as it was when it was sealed, or stasis says that there is nothing to bring back. What had begun to run
# again may be skipped by --all, which says so; it comes back when it is asked for.
step_after_cuts() {
    local id restored=0
    # The one that was in the middle of its stop is named so; nothing else is amiss.
    stasis verify >"$STATE/verify" || [ $? = 6 ]
    cat "$STATE/verify"
    [ "$(grep -c DAMAGED "$STATE/verify")" = "$(grep -c 'it is interrupted' "$STATE/verify")" ] || fail "one is damaged"
    stasis restore --all >"$STATE/report" || [ $? = 1 ]
    for id in "${CONTAINERS[@]}"; do
        if sealed "$id"; then
            if ! runs "$id"; then
                grep "runc:$id" "$STATE/report" || fail "not a word of $id: $(<"$STATE/report")"
                stasis restore "runc:$id"
            fi
            goes_on "$id"
            restored=$((restored + 1))
        else
            ! runs "$id" || fail "$id was not sealed, and runs"
            ! stasis restore "runc:$id" 2>"$STATE/why" || fail "$id was not sealed, and was restored"
            grep -q 'error: ' "$STATE/why" || fail "no word about $id"
            say "nothing-of $id: $(head -n 1 "$STATE/why")"
        fi
    done
    [ "$restored" -gt 1 ] || fail "$restored were sealed when the power went"
    say "restored $restored of ${#CONTAINERS[@]}"
}

# --- memory that is copied before the freeze: these kernels can tell what changes after that ---

json() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",]*\).*/\1/p"; } # KEY

memory_is_right() {
    local checks
    checks=$(field checks "$(status writer)")
    kill -USR1 "$(runc state writer | json pid)"
    wait_for 60 checked_since "$checks"
    [ "$(field wrong "$(status writer)")" = 0 ] || fail "wrong memory: $(status writer)"
}
checked_since() { [ "$(field checks "$(status writer)")" != "$1" ]; }

# snapshot_ahead NAME ARG...: of a container that goes on writing
snapshot_ahead() {
    local report
    report=$(stasis --json snapshot writer "$@")
    say "$1: $(json ahead_bytes <<<"$report") ahead, frozen $(json freeze_us <<<"$report"), parent '$(json parent <<<"$report")'"
    [ "$(json ahead_bytes <<<"$report")" -ge $((128 << 20)) ] || fail "no memory was copied before the freeze"
    grep -q 'Pagemap generated: .* [1-9][0-9]* holes' "$(json path <<<"$report")/logs/dump.log" || fail "CRIU sent all of it"
    stasis verify writer "$1"
    memory_is_right
}

start_writer() {
    runc run -d --bundle /lab/bundles/writer writer </dev/null >/dev/null 2>&1 || fail "runc run writer"
    wait_for 60 counts_beyond writer 20
    snapshot_ahead full --full
}

restored_right() { # NAME
    stasis restore writer "$1" --replace
    memory_is_right
}

lazily_right() { # NAME
    local report
    report=$(stasis --json restore writer "$1" --replace --lazy)
    grep -qE 'nr_lazy: +[0-9]{5}$' "$(json path <<<"$report")"/logs/restore-*.log || fail "$1: its memory came first"
    memory_is_right
}

step_ahead() {
    start_writer
    snapshot_ahead increment
    restored_right full
    restored_right increment
    lazily_right increment
}

step_ahead_packed() {
    start_writer
    snapshot_ahead packed --compress zstd
    restored_right packed
    lazily_right full
    # Less than half of the memory more: everything is sent in the freeze.
    [ "$(stasis --json snapshot writer small --buffer 130M | json ahead_bytes)" = 0 ] || fail "copied without room"
    restored_right small
}

# --- one of two hosts, which does what it is told over ssh until it is told to go ---

be_host() { # NUMBER
    modprobe -a virtio_net bridge
    echo "host-$1" >/proc/sys/kernel/hostname
    wait_for 10 test -e /sys/class/net/eth0
    ip link add br0 type bridge
    ip address add "10.77.0.1$1/24" dev br0
    ip link set eth0 master br0
    ip link set eth0 up
    ip link set br0 up
    mkdir -p /run/sshd
    /usr/sbin/sshd -f /lab/ssh/sshd_config
    say serves
    wait_for 1200 test -e /run/off
}
step_host_1() { be_host 1; }
step_host_2() { be_host 2; }
