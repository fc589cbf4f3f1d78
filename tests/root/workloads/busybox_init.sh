# A small system: busybox init with services in sessions of their own, a shell that starts processes
# all the time, and a program with a shell on a pty.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

INIT_FILES="status slow loop pty"

workload_setup() {
    local name
    BUNDLE=$WORK/$ID.bundle STATUS=$BUNDLE/rootfs/status
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" counter
    bundle_add_target "$BUNDLE" ptyshell
    cp "$BUNDLE/rootfs/bin/counter" "$BUNDLE/rootfs/bin/slow"
    cat >"$BUNDLE/rootfs/etc/loop.sh" <<'LOOP'
n=0
while n=$((n + 1)); do
    echo "counter=$n pid=$$" >/loop.new && mv /loop.new /loop
    sleep 0.02
done
LOOP
    cat >"$BUNDLE/rootfs/etc/inittab" <<'INITTAB'
::sysinit:/bin/mkdir -p /run/services
::respawn:/bin/counter /status
::respawn:/bin/slow /slow 50
::respawn:/bin/ptyshell /pty
::respawn:/bin/sh /etc/loop.sh
::once:/bin/sleep 1000000
INITTAB
    bundle_args "$BUNDLE" /sbin/init
    start_container "$ID" "$BUNDLE"
    for name in $INIT_FILES; do wait_for 10 "$name" test -s "$BUNDLE/rootfs/$name"; done
}

# The pid, process group and session (as the container sees them) of all that live long.
sessions() {
    local pid
    for pid in $(container_tasks "$ID"); do
        awk '/^Name:/ { name = $2 }
             /^NSpid:/ { pid = $NF } /^NSpgid:/ { group = $NF } /^NSsid:/ { session = $NF }
             END { if (pid == group && name ~ /init|counter|slow|pty|sh/) print name ":" pid ":" group ":" session }' \
            "/proc/$pid/status" 2>/dev/null || true
    done | sort | tr '\n' ' '
}

workload_work() {
    local target
    target=$(($(status_field work) + 1))
    nsenter -t "$(container_pid "$ID")" -p -m /bin/sh -c 'kill -USR1 $(pidof counter)'
    wait_for 10 "work $target" status_at_least work "$target"
}

workload_state() {
    local name
    for name in $INIT_FILES; do sed "s/^/file=$name /" "$BUNDLE/rootfs/$name"; done
    echo "sessions=$(sessions | tr ' ' ',')"
}

workload_verify() { # EXPECTED
    local name
    for name in $INIT_FILES; do
        STATUS=$BUNDLE/rootfs/$name
        status_goes_on counter "$(grep "^file=$name " <<<"$1")"
    done
    check_eq "$(status_field errors)" 0 "errors of the shell on the pty"
    check_eq "$(status_field shell)" "$(field shell "$1")" "the shell"
    STATUS=$BUNDLE/rootfs/status
    status_same "$1" work nonce
    # Nobody was started anew by init.
    check_eq "$(sessions | tr ' ' ',')" "$(field sessions "$1")" "tasks, their groups and sessions"
}

workload_teardown() { rc delete --force "$ID"; }
