#!/usr/bin/env bash
# A damaged checkpoint is refused before anything is touched, whichever of its files is damaged;
# restores over what runs, and where the container's files are gone.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

says() { grep -qE -- "$1" <<<"$ERR" || fail "'$1' is not in: $ERR"; }

# rootfs_digest: of all but what the counter writes.
rootfs_digest() {
    (cd "$BUNDLE/rootfs" && find . ! -path './status*' ! -path . -printf '%p %y %m %U %s %T@ %l\n' | sort && find . -type f ! -path './status*' -exec sha256sum {} + | sort) | sha256sum
}

# refused CODE TEXT ARG...: the target runs on, the same one, and its files are as they were.
refused() {
    local before pid digest
    before=$(count) pid=$(container_pid "$ID") digest=$(rootfs_digest)
    expect_exit "$1" stasis "${@:3}"
    says "$2"
    assert_runs "$before"
    check_eq "$(container_pid "$ID")" "$pid" "pid of $TARGET"
    check_eq "$(rootfs_digest)" "$digest" "files of $TARGET"
}

TREE=()
runc_target
echo "kept as it was" >"$BUNDLE/rootfs/data/file"
ln -s file "$BUNDLE/rootfs/data/link"
touch "$BUNDLE/rootfs/data/empty"
stasis snapshot "$TARGET" good >/dev/null
stasis snapshot "$TARGET" bad >/dev/null
BAD=$STASIS_STORE/runc/$ID/bad
echo "changed since" >"$BUNDLE/rootfs/data/file"

echo "== what runs is not restored over by accident"
refused 5 running restore "$TARGET" bad

echo "== a byte turned over in each file"
FLIPPED=0
while read -r file; do
    size=$(stat -c %s "$BAD/$file")
    [ "$size" -gt 0 ] || continue
    for at in 0 $((size / 2)) $((size - 1)); do
        [ "$at" -lt "$size" ] || continue
        flip "$BAD/$file" "$at"
        if [ "$at" = 0 ]; then
            refused 6 . restore "$TARGET" bad --replace
        else
            expect_exit 6 stasis restore "$TARGET" bad --replace
        fi
        [ "$file" = manifest.json ] || says "$(basename "$file")"
        expect_exit 6 stasis verify "$TARGET" bad
        flip "$BAD/$file" "$at"
        FLIPPED=$((FLIPPED + 1))
    done
done <<<"$(cd "$BAD" && find . -path ./logs -prune -o -type f -printf '%P\n')"
echo "   $FLIPPED bytes"
check_ge "$FLIPPED" 60 "bytes turned over"
expect_exit 0 stasis verify "$TARGET" bad

echo "== files that are missing, new, or other links"
damaged() { # TEXT
    refused 6 "$1" restore "$TARGET" bad --replace
    expect_exit 6 stasis verify "$TARGET" bad
}
mv "$BAD/images/core-1.img" "$WORK/"
damaged "core-1.img' is missing"
mv "$WORK/core-1.img" "$BAD/images/"
touch "$BAD/images/new"
damaged "images/new"
rm "$BAD/images/new"
touch "$BAD/rootfs/data/new"
damaged "rootfs/data/new"
rm "$BAD/rootfs/data/new"
ln -sfn other "$BAD/rootfs/data/link"
damaged "rootfs/data/link"
ln -sfn file "$BAD/rootfs/data/link"
truncate -s +1 "$BAD/rootfs/data/empty"
damaged "rootfs/data/empty"
truncate -s 0 "$BAD/rootfs/data/empty"
touch "$BAD/extra"
damaged extra
rm "$BAD/extra"

echo "== manifests"
cp "$BAD/manifest.json" "$WORK/manifest.json"
manifest() { # STATE TEXT
    refused 6 "$2" restore "$TARGET" bad --replace
    check_eq "$(state_of bad)" "$1" "the listed state"
    cp "$WORK/manifest.json" "$BAD/manifest.json"
}
truncate -s 100 "$BAD/manifest.json"
manifest damaged 'not whole'
truncate -s -5 "$BAD/manifest.json"
manifest damaged 'not whole|checksum'
truncate -s 0 "$BAD/manifest.json"
manifest damaged 'not whole'
echo 'not json' >"$BAD/manifest.json"
manifest damaged 'not whole'
echo '[]' >"$BAD/manifest.json"
manifest damaged .
echo '{"format": "one"}' >"$BAD/manifest.json"
manifest damaged .
echo '{"format": -1}' >"$BAD/manifest.json"
manifest damaged .
sed -i 's/"kind": "snapshot"/"kind": "stop"/' "$BAD/manifest.json"
manifest damaged checksum
sed -i 's/"format": 2/"format": 3/' "$BAD/manifest.json"
manifest newer 'newer stasis'
echo '{"format": 9000000000000000000000}' >"$BAD/manifest.json"
manifest damaged .
rm "$BAD/manifest.json"
manifest damaged .
rm "$BAD/manifest.json" && mkdir "$BAD/manifest.json"
refused 6 . restore "$TARGET" bad --replace
rmdir "$BAD/manifest.json"
mkfifo "$BAD/manifest.json"
refused 6 . restore "$TARGET" bad --replace
rm "$BAD/manifest.json"
cp "$WORK/manifest.json" "$BAD/manifest.json"

echo "== damaged ones can be listed and deleted, and do not disturb the others"
cp -a "$BAD" "$STASIS_STORE/runc/$ID/worse"
rm "$STASIS_STORE/runc/$ID/worse/manifest.json"
expect_exit 0 stasis list "$TARGET"
expect_exit 0 stasis snapshot "$TARGET" beside
expect_exit 0 stasis delete "$TARGET" worse beside
check_eq "$(checkpoints | sort | xargs)" "bad sealed snapshot good sealed snapshot" "what is left"
expect_exit 0 stasis verify "$TARGET" good

echo "== back to what is whole"
expect_exit 0 stasis verify "$TARGET" bad
expect_exit 0 stasis restore "$TARGET" bad --replace
assert_runs 1
check_eq "$(<"$BUNDLE/rootfs/data/file")" "kept as it was" "a file of the container"
assert_no_leftovers

echo "== the bundle is gone"
before=$(count)
expect_exit 0 stasis stateful-stop "$TARGET"
rc delete "$ID"
rm -rf "$BUNDLE"
expect_exit 0 stasis restore "$TARGET"
assert_runs "$before"
check_eq "$(<"$BUNDLE/rootfs/data/file")" "kept as it was" "a file of the container"
check_eq "$(readlink "$BUNDLE/rootfs/data/link")" file "a link of the container"

echo "== a checkpoint of something else"
mkdir -p "$STASIS_STORE/pid/4194303"
chmod 700 "$STASIS_STORE/pid" "$STASIS_STORE/pid/4194303"
cp -a "$STASIS_STORE/runc/$ID/good" "$STASIS_STORE/pid/4194303/good"
expect_exit 6 stasis restore pid:4194303 good
rm -r "$STASIS_STORE/pid"
other=$(unique_id other)
expect_exit 4 stasis restore "runc:$other" good
mkdir -p "$STASIS_STORE/runc/$other"
chmod 700 "$STASIS_STORE/runc/$other"
cp -a "$STASIS_STORE/runc/$ID/good" "$STASIS_STORE/runc/$other/good"
refused 6 . restore "runc:$other" good
! container_runs "$other" || fail "$other runs in the rootfs of $ID"
assert_no_leftovers
