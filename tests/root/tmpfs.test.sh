#!/usr/bin/env bash
# Files in a container's tmpfs: they come back, there is a place for them, and the target does not stand still for gzip
# where pigz is there; where it is not, the look says so.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

need pigz
MIB=48 # of what gzip makes much smaller: the size tells who has packed it
ID=$(unique_id tmpfs)
BUNDLE=$WORK/bundle
make_bundle "$BUNDLE"
start_container "$ID" "$BUNDLE"

json() { "$PYTHON" -c "import json, sys; d = json.load(sys.stdin); print($1)" <<<"$OUT"; }
in_container() { rc exec "$ID" "$@"; }
checksum() { in_container sha256sum /dev/shm/file; }
warnings() { json '[w["id"] for w in d["warnings"]]'; }
write_file() { in_container sh -c "yes tmpfs | head -c $((MIB << 20)) >/dev/shm/file"; }
# packed_bytes NAME: that of the tmpfs with most in it
packed_bytes() { stat -c %s "$STASIS_STORE/runc/$ID/$1"/images/tmpfs-*.tar.gz.img | sort -n | tail -1; }
packed() { echo $(($(packed_bytes "$1") >> 20)); } # in MiB

echo "== of little gzip makes less"
expect_exit 0 stasis snapshot "runc:$ID" little
check_ge 4096 "$(packed_bytes little)" "bytes of the archive of an empty one"

echo "== what lies in a tmpfs takes place as well"
mkdir "$WORK/small"
mount -t tmpfs -o size=60M none "$WORK/small" # in this mount namespace alone, as below
look_for_small() { "$STASIS" --store "$WORK/small" --runc-root "$RUNC_ROOT" --json check "runc:$ID"; }
expect_exit 0 look_for_small
write_file
sum=$(checksum)
expect_exit 1 look_for_small
check_eq "$(json '[b["id"] for b in d["blockers"]]')" "['space']" "blockers where there is no place"
expect_exit 0 stasis --json check "runc:$ID"
check_ge "$(($(json 'd["tmpfs_bytes"]') >> 20))" "$MIB" "MiB in it"
check_eq "$(warnings)" "[]" "warnings"

echo "== it is stored as it is, and restored"
expect_exit 0 stasis snapshot "runc:$ID" quick
check_ge "$(packed quick)" "$MIB" "MiB of the archive"
in_container rm /dev/shm/file
expect_exit 0 stasis restore "runc:$ID" quick --replace
check_eq "$(checksum)" "$sum" "the file"

echo "== smaller where that is asked for"
expect_exit 0 stasis snapshot "runc:$ID" small --compress lz4
check_ge 4 "$(packed small)" "MiB of the archive"

echo "== of a user namespace, whose root packs it"
first=$ID
ID=$(unique_id mapped)
make_bundle "$WORK/mapped"
bundle_mapped_ids "$WORK/mapped" 999
start_container "$ID" "$WORK/mapped"
write_file
expect_exit 0 stasis snapshot "runc:$ID" quick
check_ge "$(packed quick)" "$MIB" "MiB of the archive"
ID=$first

echo "== without pigz: told of, and done by gzip"
mount --bind /dev/null "$(command -v pigz)"
expect_exit 0 stasis --json check "runc:$ID"
check_eq "$(warnings)" "['gzip']" "warnings without pigz"
expect_exit 0 stasis snapshot "runc:$ID" slow
check_ge 4 "$(packed slow)" "MiB of gzip's archive"
in_container rm /dev/shm/file
expect_exit 0 stasis restore "runc:$ID" slow --replace
check_eq "$(checksum)" "$sum" "the file of gzip's archive"
