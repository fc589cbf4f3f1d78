#!/usr/bin/env bash
# Containers of crun: stasis dumps them, crun restores them, and crun's commands go on working.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/crun.sh"
. "$TESTS_DIR/counting.sh"
. "$TESTS_DIR/status.sh"
. "$TESTS_DIR/redis.sh"
. "$TESTS_DIR/veth.sh"
. "$TESTS_DIR/firewall.sh"

# Which folders of the host's control groups it sees.
cgroup_mounts() { sed -n 's|^[^ ]* [^ ]* [^ ]* \(/[^ ]*\) \(/sys/fs/cgroup/[^ ]*\) .*|\2 \1|p' "/proc/$(container_pid "$ID")/mountinfo"; }
says() { tail -c 500 "$WORK/$ID.terminal" | tr -d '\r' | grep -qx "$1"; }

echo "== a plain one"
new_container plain
start_container "$ID" "$BUNDLE"
BEFORE=$(cgroup_mounts)
firewall_set
cycle
firewall_is_set
check_eq "$(cgroup_mounts)" "$BEFORE" "the control groups that it sees"
[ "$(container_tasks "$ID" | wc -l)" -ge 1 ] || fail "it is not in its control groups"
assert_no_leftovers
[ ! -e "$BUNDLE/criu-root" ] || fail "crun's folder for a restore is left"
OUT=$(nsenter -t "$(container_pid "$ID")" -n ip address show dev lo)
[[ $OUT == *127.0.0.1/8* && $OUT == *,UP* ]] || fail "the loopback interface is down: $OUT"

echo "== crun's own commands after a restore"
rc exec "$ID" /bin/sh -c 'echo exec >/tmp/exec'
check_eq "$(cat "$BUNDLE/rootfs/tmp/exec")" exec "crun exec"
rc pause "$ID"
check_eq "$(container_field "$ID" status)" paused "crun pause"
stasis snapshot "$ID" paused >/dev/null
check_eq "$(container_field "$ID" status)" paused "status after a snapshot"
stasis stateful-stop "$ID" >/dev/null
stasis restore "$ID" >/dev/null
check_eq "$(container_field "$ID" status)" paused "status after stop and restore"
AT=$(count)
rc resume "$ID"
wait_for 10 "$ID counts when resumed" counts_beyond "$AT"

echo "== by its bare name, and with all others"
stasis check "$ID" >/dev/null
expect_exit 0 stasis check --all
[[ $OUT == *"crun:$ID"* ]] || fail "check --all does not name it: $OUT"
expect_exit 0 stasis --json list --all
[[ $OUT == *"\"crun:$ID\""* ]] || fail "list --all does not name it: $OUT"
AT=$(count)
stasis stateful-stop --all --runtime crun >/dev/null
! container_runs "$ID" || fail "$ID runs after the stop of all"
stasis restore --all --runtime crun >/dev/null
wait_for 10 "$ID counts after the restore of all" counts_beyond "$AT"
echo '{}' >"$RUNC_ROOT/$ID/state.json"
expect_exit 2 stasis snapshot "$ID"
[[ $ERR == *"runc:$ID or crun:$ID"* ]] || fail "no choices: $ERR"
rm "$RUNC_ROOT/$ID/state.json"

echo "== crun ends it"
rc kill "$ID" KILL
wait_for 10 "the end of $ID" eval '[ "$(container_field "$ID" status)" = stopped ]'
rc delete "$ID"
check_eq "$(container_cgroups "$ID")" "" "control groups after crun delete"
stasis restore "$ID" >/dev/null
container_runs "$ID" || fail "$ID does not run after crun delete and a restore"
rc delete --force "$ID"

echo "== a shell on a terminal"
ID=$(unique_id tty) BUNDLE=$WORK/tty
make_bundle "$BUNDLE"
bundle_terminal "$BUNDLE"
bundle_args "$BUNDLE" /bin/sh -c 'PS1= exec sh -i'
start_container "$ID" "$BUNDLE"
type_in "$WORK/$ID.console" 'stty -echo; kept=$$-here'
type_in "$WORK/$ID.console" 'echo first $kept'
wait_for 10 "the shell's answer" says 'first 1-here'
stasis stateful-stop "$ID" >/dev/null
expect_exit 6 stasis restore "$ID"
[[ $ERR == *"crun run"* ]] || fail "no remedy: $ERR"
stasis restore "$ID" --console-socket "$WORK/$ID.console" >/dev/null
type_in "$WORK/$ID.console" 'echo second $kept'
wait_for 10 "the restored shell's answer" says 'second 1-here'
rc delete --force "$ID"

echo "== memory with a checksum, and a volume"
ID=$(unique_id memory)
status_bundle memory /volume/status 64
STATUS=$WORK/volume/status
bundle_volume "$BUNDLE" "$WORK/volume" /volume
status_start
status_work
stasis snapshot "$ID" s1 --with-volumes >/dev/null
BEFORE=$(<"$STATUS")
status_work
stasis restore "$ID" s1 --replace >/dev/null
check_eq "$(<"$STATUS")" "$BEFORE" "the volume"
kill -USR2 "$(container_pid "$ID")"
wait_for 30 "a checksum" status_differs checks "$(field checks "$BEFORE")"
status_same "$BEFORE" work nonce sum
rc delete --force "$ID"

echo "== redis in a network namespace by path, with a client outside"
ID=$(unique_id redis)
BUNDLE=$WORK/redis
veth_setup
redis_outside
redis_work
BEFORE=$(redis_data)
stasis snapshot "$ID" s1 >/dev/null
client_goes_on
stasis stateful-stop "$ID" >/dev/null
stasis restore "$ID" >/dev/null
client_goes_on
check_eq "$(redis_data)" "$BEFORE" "what redis holds"
client_stop

echo "== a user namespace, and an overlay as root file system"
new_container userns
bundle_mapped_ids "$BUNDLE" 999
mkdir "$BUNDLE"/{upper,work}
mv "$BUNDLE/rootfs" "$BUNDLE/lower"
mkdir "$BUNDLE/rootfs"
mount -t overlay overlay -o "lowerdir=$BUNDLE/lower,upperdir=$BUNDLE/upper,workdir=$BUNDLE/work" "$BUNDLE/rootfs"
# crun gives the container's root what its standard streams are: not the host's /dev/null.
: >"$WORK/stdio"
STDIO=$WORK/stdio start_container "$ID" "$BUNDLE"
stop_and_restore
rc exec "$ID" /bin/sh -c 'echo >/dev/null' || fail "its devices are gone"
rc delete --force "$ID"
umount "$BUNDLE/rootfs"

echo "== what crun can't restore is refused before the freeze"
new_container device
mkdir "$WORK/without"
# As Debian 12's says (1.8.1).
printf '#!/bin/sh\n[ "$1" = --version ] || exec %s "$@"\necho +SYSTEMD +CAP +EBPF\n' "$(command -v crun)" >"$WORK/without/crun"
chmod +x "$WORK/without/crun"
start_container "$ID" "$BUNDLE"
ip link add veth1 netns "$OUTER_NETNS" type veth peer name eth0 netns "$(container_pid "$ID")"
nsenter -t "$(container_pid "$ID")" -n sh -c 'ip address add 10.78.0.2/24 dev eth0; ip link set eth0 up'
expect_exit 1 stasis snapshot "$ID"
[[ $ERR == *eth0* && $ERR == *config.json* ]] || fail "no cause or no remedy: $ERR"
expect_exit 1 env PATH="$WORK/without:$PATH" "$STASIS" --store "$STASIS_STORE" --crun-root "$RUNC_ROOT" snapshot "crun:$ID"
[[ $ERR == *"no crun that is built with CRIU"* && $ERR == *"with runc"* ]] || fail "no cause or no remedy: $ERR"
wait_for 10 "it counts on" counts_beyond "$(count)"
rc delete --force "$ID"
assert_no_leftovers
