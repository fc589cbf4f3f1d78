#!/usr/bin/env bash
# A checkpoint that can't be trusted (6): said by all who read it, and nothing is touched.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
start_target
script kill-at:end
works stasis stateful-stop "pid:$T"
stop=$(names | sed 's/lock //')
script ''
F=$STORE/pid/$T/$stop

flip() { # FILE POSITION
    "$PYTHON" -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = f.read(1)[0]
f.seek(-1, 1); f.write(bytes([b ^ 1]))' "$1" "$2"
}

# One changed bit of an image.
flip "$F/images/pages-1.img" 1234
expect 6 stasis verify
check_eq "$OUT" "pid:$T '$stop': DAMAGED
    'images/pages-1.img' is not as it was sealed" "verify"
check_eq "$ERR" "" "standard error of verify"
expect 6 stasis --json verify "pid:$T" "$stop"
check_eq "$(json d)" "{'checkpoints': [{'target': 'pid:$T', 'checkpoint': '$stop', 'whole': False, 'problems': [\"'images/pages-1.img' is not as it was sealed\"]}]}" "verify --json"
forget_trace
fails 6 "stasis: error: the checkpoint '$F' is damaged; nothing was touched
    'images/pages-1.img' is not as it was sealed
stasis: hint: restore another one (see \`stasis list\`)" stasis restore "pid:$T"
check_hasnt "$(<"$FAKE_CRIU_TRACE")" RESTORE
works stasis restore "pid:$T" --no-verify
check_has "$(<"$FAKE_CRIU_TRACE")" "type: RESTORE"
flip "$F/images/pages-1.img" 1234
works stasis verify
check_eq "$OUT" "pid:$T '$stop': whole" "verify of the healed one"

# A file too many, one too few, a folder swapped for a link.
touch "$F/images/extra" "$F/extra"
mv "$F/images/inventory.img" "$WORK"
expect 6 stasis verify
check_eq "$OUT" "pid:$T '$stop': DAMAGED
    'extra' does not belong there
    'images/inventory.img' is missing
    'images/extra' does not belong there" "verify"
rm "$F/images/extra" "$F/extra"
mv "$WORK/inventory.img" "$F/images"
mv "$F/images" "$WORK/images"
ln -s "$WORK/images" "$F/images"
expect 6 stasis verify
check_has "$OUT" "'images' does not belong there"
expect 6 stasis restore "pid:$T"
rm "$F/images"
mv "$WORK/images" "$F/images"

# The manifest: a changed bit, a piece of it, none, one from the future.
cp "$F/manifest.json" "$WORK/manifest"
damaged() { # STATE WHAT-IS-SAID
    fails 6 "$2" stasis info "pid:$T" "$stop"
    fails 6 "$2" stasis restore "pid:$T" "$stop"
    works stasis list "pid:$T"
    check_like "$(tail -n 1 <<<"$OUT")" "pid:$T +$stop +- +- +- +$1"
    works stasis --json list
    check_eq "$(json d)" "{'checkpoints': [{'target': 'pid:$T', 'checkpoint': '$stop', 'kind': None, 'created': None, 'bytes': None, 'state': '$1'}], 'moves': []}" "list --json"
    expect 6 stasis verify
    check_eq "$OUT" "pid:$T '$stop': DAMAGED
    it is $1" "verify"
    cp "$WORK/manifest" "$F/manifest.json"
}
OTHER='stasis: hint: restore from another checkpoint (see `stasis list`); this one can only be deleted'
flip "$F/manifest.json" $(($(grep -ob '"kind": "stop"' "$F/manifest.json" | cut -d: -f1) + 9))
damaged damaged "stasis: error: the manifest of '$F' is damaged: its checksum does not fit
$OTHER"
head -c 500 "$WORK/manifest" >"$F/manifest.json"
damaged damaged "stasis: error: the manifest of '$F' is damaged: it is not whole
$OTHER"
: >"$F/manifest.json"
damaged damaged "stasis: error: the manifest of '$F' is damaged: it is not whole
$OTHER"
sed -i 's/"format": 2,/"format": 3,/' "$F/manifest.json"
damaged newer "stasis: error: '$F' was written by a newer stasis (format 3, this one reads up to 2)
stasis: hint: update stasis on this host"
rm "$F/manifest.json"
expect 6 stasis info "pid:$T" "$stop"
check_has "$ERR" "manifest.json': No such file or directory"
works stasis list
cp "$WORK/manifest" "$F/manifest.json"
works stasis verify

# Without a name, the newest one that can be read is not enough reason to take an older one in silence.
flip "$F/manifest.json" 300
expect 4 stasis restore "pid:$T"
check_has "$ERR" "'pid:$T' has no stop state"

# It can be deleted all the same.
works stasis delete "pid:$T" "$stop"
check_eq "$OUT" "" "delete is silent"
check_eq "$(names)" lock "after delete"
