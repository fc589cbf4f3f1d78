#!/usr/bin/env bash
# Volumes over a reboot: one that lies in the host's memory is named before the stop, and comes back where it was kept; a
# disk that is not mounted again is named before the restore begins.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

says() { grep -qF -- "$1" <<<"$ERR$OUT" || fail "'$1' is not in: $ERR$OUT"; }
json() { "$PYTHON" -c "import json, sys; d = json.load(sys.stdin); print($1)" <<<"$OUT"; }

ID=$(unique_id reboot)
BUNDLE=$WORK/bundle
DISK=$WORK/disk
make_bundle "$BUNDLE"
bundle_add_target "$BUNDLE" counter
bundle_args "$BUNDLE" /bin/counter /data/status
mount_disk() { mkdir -p "$DISK" && mount -t tmpfs -o size=8M tmpfs "$DISK"; }
count() { field counter "$(<"$DISK/volume/status")"; }
counts_beyond() { [ "$(count)" -gt "$1" ]; }
# With all that is in it: as far as it goes, what a reboot does.
reboot() { rc delete --force "$ID" 2>/dev/null || true; umount "$DISK"; }
mount_disk
echo "umount $DISK" >"$REGISTRY/undo.disk"
bundle_volume "$BUNDLE" "$DISK/volume" /data
bundle_set "$BUNDLE" 'c["mounts"].append({"type": "bind", "source": args[0], "destination": "/etc/hosts",
                      "options": ["rbind", "ro"]})' "$DISK/hosts"
echo kept >"$DISK/volume/kept"
echo '127.0.0.1 localhost' >"$DISK/hosts"
start_container "$ID" "$BUNDLE"
wait_for 10 "it counts" counts_beyond 5

echo "== what lies in memory is named before a stop, not before a snapshot"
expect_exit 0 stasis --json check "runc:$ID"
check_eq "$(json '[w["id"] for w in d["warnings"] if w["id"] == "in-memory"]')" "[]" "warnings for a snapshot"
expect_exit 0 stasis check "runc:$ID" --stop
says "'$DISK/volume', mounted at '/data', lies in the host's memory (the tmpfs at '$DISK')"
says "'$DISK/hosts', mounted at '/etc/hosts', lies in the host's memory"
says "keep it by --with-volumes"
expect_exit 0 stasis --json stateful-stop "runc:$ID" --with-volumes
check_eq "$(json '[w["id"] for w in d["warnings"] if w["id"] == "in-memory"]')" "['in-memory']" "warnings with --with-volumes"

echo "== a disk that is not mounted, over a folder that is there and empty"
count=$(count)
reboot
mkdir -p "$DISK/volume"
echo '127.0.0.1 localhost' >"$DISK/hosts"
expect_exit 6 stasis restore "runc:$ID"
says "nothing is mounted at '$DISK', where files of it lay (mount it: \`mount $DISK\`)"
[ -z "$(ls "$DISK/volume")" ] || fail "the restore wrote below the disk"

echo "== the volume that was kept comes back on one that is empty, and the file must be made again"
rm -r "$DISK"
mount_disk
expect_exit 6 stasis restore "runc:$ID"
says "'$DISK/hosts', mounted at '/etc/hosts', is not there"
! grep -qF "'/data'" <<<"$ERR" || fail "the volume is missed: $ERR"
echo '127.0.0.1 localhost' >"$DISK/hosts"
expect_exit 0 stasis restore "runc:$ID"
check_eq "$(<"$DISK/volume/kept")" kept "what was in the volume"
wait_for 20 "it counts on" counts_beyond "$count"
rc delete --force "$ID"
umount "$DISK"
assert_no_leftovers
