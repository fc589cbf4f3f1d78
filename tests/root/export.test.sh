#!/usr/bin/env bash
# A checkpoint as one file: exported, imported into an empty store, restored as it was, with everything that its root
# file system has; an archive that is damaged, or made to lead elsewhere, leaves nothing behind.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/workloads/python.sh"

ID=$(unique_id export)
workload_setup
KEPT=$BUNDLE/rootfs/data/kept
ARCHIVE=$WORK/web.tar.zst
OTHER=$WORK/other

elsewhere() { STASIS_STORE=$OTHER stasis "$@"; }
nothing_elsewhere() { check_eq "$(find "$OTHER" -mindepth 3 ! -name lock 2>/dev/null || true)" "" "what is left of $1"; }
# Everything of the files there that a restore must bring back.
files() {
    (cd "$KEPT" && find . -mindepth 1 -printf '%P %y %m %U:%G %s %T@ %n %l\n' | sort &&
        find . -type f -exec md5sum {} + | sort && getfattr -hd -m - special && getfacl -n special && stat -c '%t:%T' device)
}

echo "== files of all kinds"
mkdir -p "$KEPT/folder"
echo content >"$KEPT/special"
ln "$KEPT/special" "$KEPT/folder/hard link"
chown 1234:5678 "$KEPT/special"
chmod 6755 "$KEPT/special"
setfattr -n user.color -v blue "$KEPT/special"
setfacl -m u:42:r "$KEPT/special"
ln -s /etc/passwd "$KEPT/link"
mkfifo "$KEPT/fifo"
mknod "$KEPT/device" c 1 3
echo bytes >"$KEPT/"$'\xff\xfe'
echo newline >"$KEPT/with
newline"
truncate -s 64M "$KEPT/holes"
echo end >>"$KEPT/holes"
touch -d '2001-02-03 04:05:06.789' "$KEPT/folder"
FILES=$(files)

echo "== there and back again"
expect_exit 0 stasis snapshot "runc:$ID" first
workload_work
PAST=$(workload_state)
expect_exit 0 stasis snapshot "runc:$ID" second --compress lz4
expect_exit 0 stasis --json export "runc:$ID" second --output "$ARCHIVE"
check_eq "$("$PYTHON" -c 'import json, sys; d = json.load(sys.stdin); print(d["checkpoint"], d["path"], d["bytes"])' <<<"$OUT")" \
    "second $ARCHIVE $(stat -c %s "$ARCHIVE")" "what export says"
check_eq "$(stat -c %a "$ARCHIVE")" 600 "mode of the archive"
check_ge 40000000 "$(stat -c %s "$ARCHIVE")" "bytes of an archive with holes"
expect_exit 5 stasis export "runc:$ID" second --output "$ARCHIVE"
expect_exit 4 stasis export "runc:$ID"
expect_exit 0 elsewhere import "$ARCHIVE"
expect_exit 0 elsewhere verify "runc:$ID" second
expect_exit 5 elsewhere import "$ARCHIVE"
rm -r "$KEPT/folder" "$KEPT/special" "$KEPT/holes" "$KEPT/device"
expect_exit 0 elsewhere restore "runc:$ID" second --replace
OUTSIDE_SURVIVES=false workload_verify "$PAST"
check_eq "$(files)" "$FILES" "the files after the restore"

echo "== by streams, under another name, plain"
stasis export "runc:$ID" second --plain --output - >"$WORK/plain"
elsewhere import - third <"$WORK/plain" >/dev/null
expect_exit 0 elsewhere verify "runc:$ID" third
IMAGES=$OTHER/runc/$ID/third/images
check_eq "$(find "$IMAGES" -name '*.lz4' -o -name '*.zst')" "" "compressed images of a plain export"
check_eq "$(($(stat -c %s "$IMAGES/pages-1.img") % 4096))" 0 "bytes of plain images beyond whole pages"
expect_exit 0 elsewhere restore "runc:$ID" third --replace
OUTSIDE_SURVIVES=false workload_verify "$PAST"
rm -r "${OTHER:?}"

echo "== archives that are damaged"
expect_exit 0 stasis snapshot "runc:$ID" bare --rootfs none --full
expect_exit 0 stasis export "runc:$ID" bare --output "$WORK/bare"
# remade WHAT: the archive $WORK/WHAT, with an entry changed, left out or added.
remade() {
    zstd -qdc "$WORK/bare" >"$WORK/tar"
    "$PYTHON" - "$WORK/tar" "$WORK/$1" "$1" <<'PYTHON'
import io, sys, tarfile
source, target, what = sys.argv[1:]
def entry(name, **more):
    made = tarfile.TarInfo(name)
    for key, value in more.items(): setattr(made, key, value)
    return made
with tarfile.open(source) as old, tarfile.open(target, 'w', format=tarfile.PAX_FORMAT) as new:
    for member in old:
        data = old.extractfile(member).read() if member.isreg() else b''
        if what == 'flipped' and member.name.startswith('images/core-'): data = data[:-1] + bytes([data[-1] ^ 1])
        if what == 'missing' and member.name == 'images/inventory.img': continue
        if what == 'headless' and member.name == 'manifest.json': continue
        if what == 'manifest' and member.name == 'manifest.json': data = data.replace(b'"runc"', b'"runC"', 1)
        member.pax_headers = {}  # tarfile makes the ones that it needs
        member.size = len(data) if member.isreg() else 0
        new.addfile(member, io.BytesIO(data))
    text = b'planted'
    evil = lambda name: new.addfile(entry(name, size=len(text)), io.BytesIO(text))
    victim = target + '.victim'
    if what == 'more': evil('images/more.img')
    if what == 'dots': evil('images/../../../../victim')
    if what == 'absolute': evil(victim)
    if what == 'beside': evil('logs/last-restore.json')
    if what == 'through':
        new.addfile(entry('images/out', type=tarfile.SYMTYPE, linkname=target.rsplit('/', 1)[0]))
        evil('images/out/through.victim')
    if what == 'hardlink': new.addfile(entry('images/hard', type=tarfile.LNKTYPE, linkname='/etc/passwd'))
PYTHON
}
echo "-- one that is remade the same is whole"
remade same
expect_exit 0 elsewhere import "$WORK/same"
rm -r "${OTHER:?}" "$WORK/same"
for what in flipped missing headless manifest more dots absolute beside through hardlink; do
    remade "$what"
    code=0
    elsewhere import "$WORK/$what" >/dev/null 2>"$WORK/err" || code=$?
    echo "$what: $(head -n 1 "$WORK/err")"
    check_eq "$code" 6 "exit code of the import of $what ($(<"$WORK/err"))"
    nothing_elsewhere "$what"
    check_eq "$(find "$WORK" -name '*victim*')" "" "what $what has planted"
    rm "$WORK/$what"
done
head -c $(($(stat -c %s "$WORK/bare") / 2)) "$WORK/bare" >"$WORK/half"
expect_exit 6 elsewhere import "$WORK/half"
nothing_elsewhere half
expect_exit 6 elsewhere import "$BUNDLE/config.json"
echo "-- and nothing is exported that is damaged, or half"
IMAGE=$(find "$STASIS_STORE/runc/$ID/second/images" -name 'core-*.img' | head -n 1)
flip "$IMAGE" 30
expect_exit 6 stasis export "runc:$ID" second --output "$WORK/damaged"
[ ! -e "$WORK/damaged" ] || fail "half an archive is left"

echo "== no room"
mkdir "$WORK/small"
mount -t tmpfs -o size=20M,mode=0700 tmpfs "$WORK/small"
(
    STASIS_STORE=$WORK/small/store
    expect_exit 1 stasis import "$ARCHIVE"
    grep -q "no room" <<<"$ERR" || fail "nothing said of the room: $ERR"
)
umount "$WORK/small"
echo "-- and none any more: the store is unmounted in the middle"
mount -t tmpfs -o size=200M,mode=0700 tmpfs "$WORK/small"
code=0
{
    head -c 200000 "$WORK/bare"
    wait_for 20 "the import to begin" compgen -G "$WORK/small/store/runc/$ID/*.partial/*" >/dev/null
    umount --lazy "$WORK/small"
    tail -c +200001 "$WORK/bare"
} | STASIS_STORE=$WORK/small/store stasis import - 2>"$WORK/err" || code=$?
check_eq "$code" 1 "exit code without a store ($(<"$WORK/err"))"
check_eq "$(find "$WORK/small" -mindepth 1)" "" "what was unpacked beside the store"
workload_work
workload_teardown
assert_no_leftovers
