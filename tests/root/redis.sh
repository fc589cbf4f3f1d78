# Sourced by the redis workloads: questions to the redis of container $ID, from outside, in its
# network namespace, on connections that are gone when the answer is there.
# shellcheck shell=bash
need redis-server redis-cli

redis() { # DATABASE COMMAND...
    local pid database=$1
    pid=$(container_pid "$ID")
    nsenter -t "$pid" -n redis-cli -h 127.0.0.1 -n "$database" "${@:2}" </dev/null
}

# redis_bundle: $BUNDLE with a redis that never writes to the disk.
redis_bundle() {
    make_bundle "$BUNDLE"
    bundle_add_program "$BUNDLE" "$(command -v redis-server)"
    cat >"$BUNDLE/rootfs/etc/redis.conf" <<CONF
bind 0.0.0.0
protected-mode no
save ""
appendonly no
logfile /tmp/redis.log
CONF
}

redis_answers() { [ "$(redis 0 PING)" = PONG ]; }

# Changes old keys and adds new ones; database 0 is the data, 1 is the client's.
redis_work() {
    redis 0 EVAL '
local round = redis.call("INCR", "round")
for i = 1, 1000 do redis.call("SET", "key:" .. round % 3 .. ":" .. i, redis.sha1hex(round .. ":" .. i)) end
redis.call("RPUSH", "list", round)
redis.call("HSET", "hash", "field" .. round, string.rep("x", 10000))
return "OK"' 0 >/dev/null
}

redis_data() {
    echo "dbsize=$(redis 0 DBSIZE) digest=$(redis 0 EVAL '
local keys, all = redis.call("KEYS", "*"), {}
table.sort(keys)
for _, key in ipairs(keys) do table.insert(all, key .. redis.sha1hex(redis.call("DUMP", key))) end
return redis.sha1hex(table.concat(all))' 0)"
}
