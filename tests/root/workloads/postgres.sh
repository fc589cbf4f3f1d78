# postgres under pgbench, as an ordinary user of a user namespace. Its files and its memory must come
# back from the same moment, or its tables contradict each other.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

postgres_folder() { printf '%s\n' /usr/lib/postgresql/*/bin/pgbench | sort -V | tail -1 | sed 's|/bin/pgbench||'; }

sql() {
    nsenter -t "$(container_pid "$ID")" -n "$PGDIR/bin/psql" -h 127.0.0.1 -U postgres -d postgres \
        -XAtq -v ON_ERROR_STOP=1 -c "$1" </dev/null
}

sql_is() { [ "$(sql "$1")" = "$2" ]; }

workload_setup() {
    local rootfs program
    PGDIR=$(postgres_folder)
    [ -x "$PGDIR/bin/pgbench" ] || skip_machine "postgres is not installed"
    BUNDLE=$WORK/$ID.bundle rootfs=$BUNDLE/rootfs
    make_bundle "$BUNDLE"
    for program in initdb postgres pgbench pg_isready; do bundle_add_program "$BUNDLE" "$PGDIR/bin/$program"; done
    bundle_add_program "$BUNDLE" "$PGDIR"/lib/{plpgsql,amcheck,dict_snowball}.so
    mkdir -p "$rootfs/usr/share/postgresql"
    cp -a "${PGDIR/lib/share}" "$rootfs/usr/share/postgresql/"
    echo "postgres:x:999:999::/data:/bin/sh" >>"$rootfs/etc/passwd"
    bundle_mapped_ids "$BUNDLE" 999
    cat >"$rootfs/etc/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = '/tmp'
timezone = 'GMT'
log_timezone = 'GMT'
jit = off
logging_collector = off
CONF
    bundle_args "$BUNDLE" /bin/sh -c "export PATH=$PGDIR/bin:/bin PGHOST=/tmp PGUSER=postgres
        initdb -D /data/pg -U postgres -A trust -E UTF8 --locale=C --no-sync >/tmp/initdb.log 2>&1 || exit 1
        cat /etc/postgresql.conf >>/data/pg/postgresql.conf
        { until pg_isready -q; do sleep 0.1; done
          pgbench -i -q >/tmp/init.log 2>&1
          exec pgbench -n -c 2 -R 200 -T 1000000 >/tmp/pgbench.log 2>&1; } &
        exec postgres -D /data/pg >/tmp/postgres.log 2>&1"
    start_container "$ID" "$BUNDLE"
    wait_for 30 "postgres" sql "CREATE TABLE IF NOT EXISTS work(number int); CREATE EXTENSION IF NOT EXISTS amcheck"
    wait_for 60 "pgbench at work" sql_is "SELECT count(*) > 50 FROM pgbench_history" t
}

workload_work() { sql "INSERT INTO work SELECT count(*) FROM work"; }

workload_state() {
    sql "SELECT 'work=' || (SELECT count(*) FROM work) || ' history=' || (SELECT count(*) FROM pgbench_history)
        || ' backends=' || string_agg(pid || '@' || extract(epoch FROM backend_start), ',' ORDER BY pid)
        FROM pg_stat_activity WHERE application_name = 'pgbench'"
}

workload_verify() { # EXPECTED
    local now key history
    now=$(workload_state)
    for key in work backends; do check_eq "$(field "$key" "$now")" "$(field "$key" "$1")" "$key"; done
    history=$(field history "$now")
    check_ge "$history" "$(field history "$1")" "transactions of pgbench"
    wait_for 10 "pgbench to go on" sql_is "SELECT count(*) > $history + 20 FROM pgbench_history" t
    check_eq "$(sql "SELECT a = b AND b = t AND t = h FROM (SELECT sum(abalance) a FROM pgbench_accounts) a,
        (SELECT sum(bbalance) b FROM pgbench_branches) b, (SELECT sum(tbalance) t FROM pgbench_tellers) t,
        (SELECT sum(delta) h FROM pgbench_history) h")" t "balances agree"
    check_eq "$(sql "SELECT count(*) FROM pg_class c, LATERAL verify_heapam(c.oid) WHERE relkind = 'r'")" 0 \
        "damaged rows"
    sql "SELECT bt_index_parent_check(c.oid, true) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
        JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'btree' AND c.relpersistence = 'p'" >/dev/null
    # A client that asked too early is no error of its.
    if grep -E 'PANIC|FATAL|ERROR|recovery|crash' "$BUNDLE/rootfs/tmp/postgres.log" |
        grep -vE 'does not exist|starting up'; then
        fail "errors in the log of postgres"
    fi
}

workload_teardown() { rc delete --force "$ID"; }
