#!/usr/bin/env bash
# A root file system that is a btrfs subvolume on the store's file system is kept as a snapshot of it.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

need mkfs.btrfs btrfs losetup
grep -qw btrfs /proc/filesystems || skip_machine "this kernel has no btrfs"
truncate -s 300M "$WORK/disk"
mkfs.btrfs -q "$WORK/disk" >/dev/null
mkdir "$WORK/btrfs"
# The loop device goes with the mount, which the cleanup takes away.
mount -o loop "$WORK/disk" "$WORK/btrfs" || skip_machine "no loop device"

STASIS_STORE=$WORK/btrfs/store
ID=$(unique_id btrfs) BUNDLE=$WORK/btrfs/bundle
make_bundle "$WORK/plain"
mkdir "$BUNDLE"
btrfs -q subvolume create "$BUNDLE/rootfs"
cp -a "$WORK/plain/rootfs/." "$BUNDLE/rootfs"
cp "$WORK/plain/config.json" "$BUNDLE"
rm -r "$WORK/plain"
bundle_add_target "$BUNDLE" counter
bundle_args "$BUNDLE" /bin/counter /status
echo first >"$BUNDLE/rootfs/data/note"
start_container "$ID" "$BUNDLE"
STATUS=$BUNDLE/rootfs/status
count() { field counter "$(<"$STATUS")"; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }
wait_for 10 "the counter" test -s "$STATUS"

stasis snapshot "runc:$ID" before
AT=$(count)
check_eq "$(stasis --json info "runc:$ID" before | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["rootfs"]["backend"])')" \
    btrfs "backend"
check_eq "$(stat -c %i "$STASIS_STORE/runc/$ID/before/rootfs")" 256 "inode of the kept root: a subvolume's"
expect_exit 0 stasis verify "runc:$ID" before
echo second >"$BUNDLE/rootfs/data/note"
echo new >"$BUNDLE/rootfs/data/new"
wait_for 10 "the counter goes on" counts_beyond $((AT + 5))
stasis restore "runc:$ID" before --replace
check_eq "$(<"$BUNDLE/rootfs/data/note")" first "a file that was changed"
[ ! -e "$BUNDLE/rootfs/data/new" ] || fail "a file that came later is still there"
wait_for 10 "the counter goes on from its snapshot" counts_beyond "$AT"

stasis stateful-stop "runc:$ID"
echo flipped >"$STASIS_STORE/runc/$ID/before/rootfs/data/note"
expect_exit 6 stasis verify "runc:$ID" before
stasis restore "runc:$ID"
container_runs "$ID" || fail "not restored"
expect_exit 0 stasis delete "runc:$ID" before
[ ! -e "$STASIS_STORE/runc/$ID/before" ] || fail "the checkpoint is still there"
rc delete --force "$ID"
umount "$WORK/btrfs"
assert_no_leftovers
