#!/usr/bin/env bash
# One container for each thing that can surround it: a console, a network namespace made before it,
# standard streams on host files and pipes, volumes, an overlay, a pause, exec'd processes.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/counting.sh"

echo "== console"
new_container console
bundle_terminal "$BUNDLE"
start_container "$ID" "$BUNDLE"
stasis snapshot "runc:$ID" s0
expect_exit 6 stasis restore "runc:$ID" s0 --replace
grep -q -- --console-socket <<<"$ERR" || fail "no hint at --console-socket: $ERR"
container_runs "$ID" || fail "the refused restore ended the container"
cycle --console-socket "$WORK/$ID.console"

echo "== network namespace made before it"
new_container netns
NETNS=stasis-$$
ip netns add "$NETNS"
track_netns "$NETNS"
bundle_netns "$BUNDLE" "$NETNS"
start_container "$ID" "$BUNDLE"
cycle
stasis stateful-stop "runc:$ID"
ip netns del "$NETNS"
expect_exit 6 stasis restore "runc:$ID"
grep -q "$NETNS" <<<"$ERR" || fail "the missing namespace is not named: $ERR"

echo "== the host's network"
new_container hostnet
bundle_set "$BUNDLE" 'without_namespace("network")'
start_container "$ID" "$BUNDLE"
cycle

echo "== a user namespace"
new_container userns
bundle_mapped_ids "$BUNDLE" 999
start_container "$ID" "$BUNDLE"
cycle

echo "== paused"
new_container paused
start_container "$ID" "$BUNDLE"
wait_for 10 "$ID counts" counts_beyond 3
rc pause "$ID"
stasis snapshot "runc:$ID" s1
check_eq "$(container_field "$ID" status)" paused "status after a snapshot"
stasis stateful-stop "runc:$ID"
stasis restore "runc:$ID"
check_eq "$(container_field "$ID" status)" paused "status after stop and restore"
PAUSED_AT=$(count)
rc resume "$ID"
wait_for 10 "$ID counts on when resumed" counts_beyond "$PAUSED_AT"
echo "-- one that can't be paused again does not run on"
rc pause "$ID"
stasis stateful-stop "runc:$ID"
mkdir "$WORK/no-pause"
cat >"$WORK/no-pause/runc" <<SH
#!/bin/sh
case " \$* " in *" pause "*) exit 1 ;; esac
exec $(command -v runc) "\$@"
SH
chmod +x "$WORK/no-pause/runc"
(
    PATH=$WORK/no-pause:$PATH
    expect_exit 1 stasis restore "runc:$ID"
)
! container_runs "$ID" || fail "what could not be paused runs on"
stasis restore "runc:$ID"
check_eq "$(container_field "$ID" status)" paused "status after the next restore"
rc resume "$ID"

echo "== standard streams on host files"
new_container files
bundle_args "$BUNDLE" /bin/sh -c 'read first; i=0; while :; do i=$((i+1)); echo "$first $i"; echo counter=$i >/tmp/new; mv /tmp/new /tmp/status; sleep 0.05; done'
echo "line one" >"$WORK/input"
(
    close_inherited_fds
    exec runc --root "$RUNC_ROOT" run -d --bundle "$BUNDLE" "$ID" <"$WORK/input" >"$WORK/output" 2>"$WORK/errors"
) || fail "runc run: $(cat "$WORK/errors")"
cycle
LINES_BEFORE=$(wc -l <"$WORK/output")
output_grows() { [ "$(wc -l <"$WORK/output")" -gt "$1" ]; }
wait_for 10 "the restored container appends to its log" output_grows "$LINES_BEFORE"
grep -q '^line one 1$' "$WORK/output" || fail "the start of the log is gone"
! grep -v '^line one [0-9]*$' "$WORK/output" || fail "the log holds torn lines"

echo "== standard streams on pipes"
new_container pipes
mkfifo "$WORK/pipe"
cat "$WORK/pipe" >"$WORK/piped" &
track_pid $!
(
    exec 9>"$WORK/pipe"
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || [ "$fd" = 9 ] || eval "exec $fd>&-"
    done
    trap - ERR
    exec runc --root "$RUNC_ROOT" run -d --bundle "$BUNDLE" "$ID" </dev/null > >(exec cat >/dev/null) 2>/dev/null 9>&-
)
cycle

echo "== volumes"
new_container volume
bundle_volume "$BUNDLE" "$WORK/volume-source" /volume
echo first >"$WORK/volume-source/file"
start_container "$ID" "$BUNDLE"
wait_for 10 "$ID counts" counts_beyond 3
stasis snapshot "runc:$ID" without
stasis snapshot "runc:$ID" with --with-volumes
echo second >"$WORK/volume-source/file"
touch "$WORK/volume-source/later"
stasis restore "runc:$ID" without --replace
check_eq "$(cat "$WORK/volume-source/file")" second "a volume that was left alone"
stasis restore "runc:$ID" with --replace
check_eq "$(cat "$WORK/volume-source/file")" first "a volume that was kept"
[ ! -e "$WORK/volume-source/later" ] || fail "a later file in a kept volume is still there"
head -c 40M /dev/zero >"$WORK/volume-source/large"
mkdir "$WORK/small"
mount -t tmpfs -o size=50M,mode=0700 tmpfs "$WORK/small" # it needs 16 MiB, its memory and its files
REAL_STORE=$STASIS_STORE STASIS_STORE=$WORK/small/store
stasis snapshot "runc:$ID" without
expect_exit 1 stasis snapshot "runc:$ID" with --with-volumes
grep -q "the checkpoint needs about" <<<"$ERR" || fail "no word of the room: $ERR"
STASIS_STORE=$REAL_STORE
umount "$WORK/small"
rm "$WORK/volume-source/large"

echo "== an overlay as root file system"
new_container overlay
mkdir "$BUNDLE"/{upper,work}
mv "$BUNDLE/rootfs" "$BUNDLE/lower"
mkdir "$BUNDLE/rootfs"
touch "$BUNDLE/lower/etc/removed"
mount -t overlay overlay -o "lowerdir=$BUNDLE/lower,upperdir=$BUNDLE/upper,workdir=$BUNDLE/work" "$BUNDLE/rootfs"
start_container "$ID" "$BUNDLE"
rm "$BUNDLE/rootfs/etc/removed"
cycle
[ ! -e "$BUNDLE/rootfs/etc/removed" ] || fail "a whiteout was lost"
[ ! -e "$STASIS_STORE/runc/$ID/s1/rootfs/bin" ] || fail "the lower layer was copied as well"
echo "   … and after a reboot, when nothing is mounted"
stasis stateful-stop "runc:$ID"
rc delete "$ID"
umount "$BUNDLE/rootfs"
stasis restore "runc:$ID"
wait_for 10 "$ID counts" counts_beyond \
    "$(for stop in "$STASIS_STORE/runc/$ID"/stop-*; do count "$stop"; done | sort -n | tail -n 1)"
rc delete --force "$ID"
umount "$BUNDLE/rootfs"

echo "== a file system that CRIU does not know"
new_container hugetlbfs
bundle_mount "$BUNDLE" hugetlbfs
start_container "$ID" "$BUNDLE"
expect_exit 1 stasis snapshot "runc:$ID" s1
grep -q "'/mnt' is a file system of the kind hugetlbfs" <<<"$ERR" || fail "the mount is not named: $ERR"
expect_exit 0 stasis snapshot "runc:$ID" anew --criu-option enable-fs=hugetlbfs
expect_exit 0 stasis restore "runc:$ID" anew --replace
grep -q ' /mnt hugetlbfs ' "/proc/$(container_pid "$ID")/mounts" || fail "it was not mounted anew"
expect_exit 0 stasis snapshot "runc:$ID" without --criu-option skip-mnt=/mnt
expect_exit 1 stasis snapshot "runc:$ID" other --criu-option skip-mnt=/mnt2
rc delete --force "$ID"

echo "== a process started with exec"
new_container exec
start_container "$ID" "$BUNDLE"
without_inherited_fds runc --root "$RUNC_ROOT" exec -d "$ID" /bin/sleep 12345
expect_exit 1 stasis snapshot "runc:$ID" s1
grep -q 'sleep' <<<"$ERR" || fail "the exec'd process is not named: $ERR"
expect_exit 1 stasis check "runc:$ID"
stasis snapshot "runc:$ID" s1 --drop-exec 2>/dev/null
stasis restore "runc:$ID" s1 --replace
! rc ps "$ID" | grep 'sleep 12345' || fail "the dropped process is back"
stop_and_restore

echo "== nothing but the bundle's name is left after a reboot"
stasis stateful-stop "runc:$ID"
rc delete "$ID"
rm -r "$BUNDLE"
stasis restore "runc:$ID"
container_runs "$ID" || fail "$ID does not run"

assert_no_leftovers
