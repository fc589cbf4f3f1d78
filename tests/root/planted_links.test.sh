#!/usr/bin/env bash
# Symbolic links that somebody planted, in the store or from inside a container, lead nowhere: nothing
# is written, deleted or read through them.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

says() { grep -qE -- "$1" <<<"$ERR" || fail "'$1' is not in: $ERR"; }

# A folder of the host that every link below points to; it must stay as it is.
VICTIM_FOLDER=$WORK/victim
mkdir -p "$VICTIM_FOLDER/deep"
echo "of the host" >"$VICTIM_FOLDER/passwd"
echo "of the host" >"$VICTIM_FOLDER/deep/file"
victim_digest() { (cd "$VICTIM_FOLDER" && find . -printf '%p %y %m %U %T@ %l\n' | sort && find . -type f -exec sha256sum {} + | sort) | sha256sum; }
VICTIM_BEFORE=$(victim_digest)
assert_victim() { check_eq "$(victim_digest)" "$VICTIM_BEFORE" "the folder that $1 points to"; }

refused() { # CODE TEXT ARG...
    local before pid
    before=$(count) pid=$(container_pid "$ID")
    expect_exit "$1" stasis "${@:3}"
    says "$2"
    assert_runs "$before"
    check_eq "$(container_pid "$ID")" "$pid" "pid of $TARGET"
    assert_victim "$2"
}

TREE=()
runc_target
R=$BUNDLE/rootfs
echo "of the container" >"$R/etc/own"
mkdir "$R/data/folder"
echo "of the container" >"$R/data/folder/file"
echo 1 >"$R/data/with
newline"
echo 2 >"$R/data/-rf"
echo 3 >"$R/data/"$'\xff\xfe'
echo 4 >"$R/data/100%41"
stasis snapshot "$TARGET" before >/dev/null
S=$STASIS_STORE/runc/$ID

echo "== in the store"
cp -a "$S/before" "$S/bad"
for folder in images rootfs runtime logs; do
    mv "$S/bad/$folder" "$WORK/real"
    ln -s "$WORK/real" "$S/bad/$folder"
    refused 6 "$folder" restore "$TARGET" bad --replace
    expect_exit 6 stasis verify "$TARGET" bad
    rm "$S/bad/$folder"
    ln -s "$VICTIM_FOLDER" "$S/bad/$folder"
    refused 6 "$folder" restore "$TARGET" bad --replace
    rm "$S/bad/$folder"
    mv "$WORK/real" "$S/bad/$folder"
done
mv "$S/bad/manifest.json" "$WORK/real"
ln -s "$WORK/real" "$S/bad/manifest.json"
refused 6 . restore "$TARGET" bad --replace
rm "$S/bad/manifest.json"
mv "$WORK/real" "$S/bad/manifest.json"
mv "$S/bad/images/core-1.img" "$WORK/real"
ln -s "$WORK/real" "$S/bad/images/core-1.img"
refused 6 core-1.img restore "$TARGET" bad --replace
rm "$S/bad/images/core-1.img"
mv "$WORK/real" "$S/bad/images/core-1.img"
expect_exit 0 stasis verify "$TARGET" bad

mv "$S/bad" "$WORK/real"
ln -s "$WORK/real" "$S/bad"
refused 6 . restore "$TARGET" bad --replace
refused 5 bad snapshot "$TARGET" bad
expect_exit 0 stasis delete "$TARGET" bad
[ -d "$WORK/real/images" ] || fail "deleted through a link"
rm -r "$WORK/real"

for remains in bad.partial failed-x bad; do
    ln -s "$VICTIM_FOLDER" "$S/$remains"
    expect_exit 0 stasis list "$TARGET"
    assert_victim "$remains"
    [ "$remains" != bad ] || expect_exit 0 stasis delete "$TARGET" bad
    expect_exit 0 stasis snapshot "$TARGET" bad
    assert_victim "$remains"
    [ ! -e "$S/bad.partial" ] && [ ! -L "$S/bad.partial" ] && [ ! -L "$S/bad" ] || fail "the link $remains is still there"
    expect_exit 0 stasis verify "$TARGET" bad
    expect_exit 0 stasis delete "$TARGET" bad
    rm -f "$S/$remains"
done

mv "$S" "$WORK/real"
ln -s "$WORK/real" "$S"
refused 1 . snapshot "$TARGET" bad
refused 1 . restore "$TARGET" before --replace
rm "$S"
mv "$WORK/real" "$S"
rm "$S/lock"
ln -s "$VICTIM_FOLDER/passwd" "$S/lock"
refused 1 . snapshot "$TARGET" bad
rm "$S/lock"

echo "== from inside the container: what was a folder is a link to the host's"
before=$(count)
ID_PID=$(container_pid "$ID")
inside() { nsenter -t "$ID_PID" -m -r -w /bin/sh -c "$1"; }
inside "mv /etc /etc.old && ln -s $VICTIM_FOLDER /etc
    rm -r /data/folder && ln -s $VICTIM_FOLDER/deep /data/folder
    ln -s / /data/root && ln -s $VICTIM_FOLDER/passwd /data/absolute && ln -s ../../../../../../../..$VICTIM_FOLDER /data/relative
    ln -s nowhere /data/dangling"
expect_exit 0 stasis snapshot "$TARGET" links
for link in etc data/folder data/root data/absolute data/relative data/dangling; do
    check_eq "$(readlink "$S/links/rootfs/$link")" "$(readlink "$R/$link")" "the copy of the link $link"
done
expect_exit 0 stasis verify "$TARGET" links
assert_victim "the copy"

echo "   … back to where it was a folder"
expect_exit 0 stasis restore "$TARGET" before --replace
assert_runs 1
assert_victim "a restored folder"
[ -d "$R/etc" ] && [ ! -L "$R/etc" ] || fail "/etc is no folder"
check_eq "$(<"$R/etc/own") $(<"$R/data/folder/file")" "of the container of the container" "restored files"
[ ! -L "$R/data/root" ] || fail "a later link is still there"
for name in with$'\n'newline -rf $'\xff\xfe' 100%41; do [ -s "$R/data/$name" ] || fail "lost: $name"; done

echo "   … and to where it was a link"
expect_exit 0 stasis restore "$TARGET" links --replace
assert_runs "$before"
assert_victim "a restored link"
check_eq "$(readlink "$R/etc")" "$VICTIM_FOLDER" "the restored link /etc"

echo "   … while a link was being made of it"
# After the first pass, before the freeze: the second pass meets the link where it copied a folder.
expect_exit 0 stasis restore "$TARGET" before --replace
with_fault pre-dump:answered "FAULT_DO=rm -r $R/data/folder && ln -s $VICTIM_FOLDER/deep $R/data/folder
    mv $R/etc $R/etc.old && ln -s $VICTIM_FOLDER $R/etc
    mkdir $R/data/late && ln -s $VICTIM_FOLDER/passwd $R/data/late/passwd" -- snapshot "$TARGET" late
check_eq "$CODE" 0 "exit code ($ERR)"
for link in etc data/folder data/late/passwd; do
    check_eq "$(readlink "$S/late/rootfs/$link")" "$(readlink "$R/$link")" "the copy of the link $link"
done
expect_exit 0 stasis verify "$TARGET" late
assert_victim "a link that came late"
expect_exit 0 stasis restore "$TARGET" before --replace
expect_exit 0 stasis restore "$TARGET" late --replace
assert_victim "a link that came late"

echo "   … and the root file system itself has become one"
expect_exit 0 stasis stateful-stop "$TARGET"
mv "$R" "$R.real"
ln -s "$VICTIM_FOLDER" "$R"
expect_exit 6 stasis restore "$TARGET"
says 'symbolic link'
assert_victim "the root file system"
rm "$R"
mv "$R.real" "$R"
expect_exit 0 stasis restore "$TARGET"
assert_runs 1
assert_no_leftovers
