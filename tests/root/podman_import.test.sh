#!/usr/bin/env bash
# podman's own checkpoints, which stasis takes into its store and restores: `podman container checkpoint --export`.
. "$(dirname "$0")/common.sh"
mkdir -p "$WORK/engine/image"
mkdir -m 0751 "$WORK/engine/image/bin" # no mode that a folder gets by default
mkdir "$WORK/engine/image/again"
touch "$WORK/engine/image/again/old"
. "$(dirname "$0")/podman.sh"

ARCHIVE=$WORK/podman.tar

# taken_back: it counts on from $BEFORE, with the files that it had.
taken_back() {
    check_eq "$(pod_status)" running "podman, of what was restored"
    for file in /count /dev/shm/count /data/count; do
        check_ge "$(in_pod cat "$file")" "$BEFORE" "what it counts in $file"
    done
    [ "$(count)" -lt $((BEFORE + 1000)) ] || fail "it was not taken back"
    wait_for 10 "$NAME counts on" counts_beyond "$(count)"
    check_eq "$(in_pod cat /etc/made)" kept "a file that it made"
    check_eq "$(in_pod busybox ls /again)" new "a folder that it removed and made again"
    for file in /data/kept /dev/shm/kept; do
        check_eq "$(in_pod busybox stat -c '%a %u %s' "$file")" "640 7 5" "mode, owner and size of $file"
    done
    check_eq "$(in_pod busybox stat -c '%a %u' /bin)" "751 0" "mode and owner of a folder in which it changed something"
    check_eq "$(in_pod sh -c 'for file in /bin/cut /bin/cat; do [ ! -e $file ] || echo $file; done')" /bin/cat \
        "what is left of two files of the image, one of which it removed"
}

# refused WHAT SAYS: an archive of which nothing is left.
refused() {
    expect_exit "${3:-6}" stasis import "$ARCHIVE" bad
    grep -q "$2" <<<"$ERR" || fail "$1: no word of it: $ERR"
    check_eq "$(find "$STASIS_STORE" -name 'bad*' -o -name 'failed-*')" "" "$1: what is left on disk"
}

# changed COMMAND...: the archive again, after a command in the folder of what is in it.
changed() {
    rm -rf "$WORK/parts" "$ARCHIVE"
    mkdir "$WORK/parts"
    tar -C "$WORK/parts" -xf "$WORK/whole.tar"
    (cd "$WORK/parts" && "$@")
    (cd "$WORK/parts" && tar -cf "$ARCHIVE" -- *)
}

podman network create --subnet 10.231.78.0/24 "net-$RUN" >/dev/null
new_container adopted --network "net-$RUN" --volume "vol-$RUN:/data" -- sh -c "$COUNT_EVERYWHERE"
wait_for 30 "$NAME counts" counts_beyond 3
in_pod sh -c 'busybox mkdir -p /etc && echo kept >/etc/made && busybox rm /bin/cut &&
    busybox rm -r /again && busybox mkdir /again && echo >/again/new &&
    for file in /data/kept /dev/shm/kept; do
        echo kept >$file && busybox chmod 640 $file && busybox chown 7 $file || exit
    done'
wait_for 10 "$NAME counts" counts_beyond 60
ADDRESS=$(pod_field "(index .NetworkSettings.Networks \"net-$RUN\").IPAddress")

echo "== of a container that podman has no more, with its volume"
podman container checkpoint --export "$ARCHIVE" --compress zstd "$NAME" >/dev/null
podman container inspect "$NAME" >/dev/null
podman rm --force --time 0 "$NAME" >/dev/null
podman volume rm "vol-$RUN" >/dev/null
stasis import "$ARCHIVE" first | grep -q "podman:$NAME imported as 'first'" || fail "no word of the import"
stasis verify "$NAME" first >/dev/null
stasis info "$NAME" first | grep -q "made by *podman" || fail "no word of who made it"
BEFORE=$(cat "$STASIS_STORE/podman/$NAME/first/rootfs/count") # in memory there is no less
check_ge "$BEFORE" 60 "the count in the archive"
stasis restore "$NAME" first >/dev/null
taken_back
check_eq "$(pod_field "(index .NetworkSettings.Networks \"net-$RUN\").IPAddress")" "$ADDRESS" "its address"
wait_for 20 "$NAME counts" counts_beyond $((BEFORE + 100))
stasis restore "$NAME" first --replace >/dev/null
[ "$(count)" -lt $((BEFORE + 100)) ] || fail "a second restore did not take it back"
taken_back

echo "== of one that podman has, under the name that it gets by the time"
wait_for 10 "$NAME counts" counts_beyond "$(count)"
BEFORE=$(count)
rm "$ARCHIVE"
podman container checkpoint --leave-running --ignore-volumes --export "$ARCHIVE" --compress gzip "$NAME" >/dev/null
IMPORTED=$(stasis import "$ARCHIVE" --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["checkpoint"])')
stasis restore "$NAME" "$IMPORTED" --replace >/dev/null
taken_back
check_eq "$(stasis list --json "$NAME" | grep -c '"state": "sealed"')" 2 "what is in the store"

[ "$PODMAN_RUNTIME" = runc ] || exit 0 # the rest is podman's own, whatever runs its containers

echo "== of an image of a hundred layers"
"$PYTHON" - "$WORK/layers.tar" "$PODMAN/image" <<'PYTHON'
import hashlib, io, json, sys, tarfile

def layer(fill):
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as tar:
        fill(tar)
    return text.getvalue()

def file(number):
    return lambda tar: tar.addfile(tarfile.TarInfo(f"layer-{number}"))

layers = [layer(lambda tar: tar.add(sys.argv[2], "."))] + [layer(file(number)) for number in range(1, 100)]
config = {"architecture": "amd64", "os": "linux", "config": {},
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(text).hexdigest() for text in layers]}}
parts = {f"{number}.tar": text for number, text in enumerate(layers)}
manifest = [{"Config": "config.json", "RepoTags": ["layers:latest"], "Layers": list(parts)}]
parts |= {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
with tarfile.open(sys.argv[1], "w") as tar:
    for name, text in parts.items():
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
PYTHON
podman load --quiet --input "$WORK/layers.tar" >/dev/null
(
    # shellcheck disable=SC2030,SC2034
    IMAGE=layers
    new_container layers --volume "layers-$RUN:/data" -- sh -c "$COUNT_EVERYWHERE"
    wait_for 30 "$NAME counts" counts_beyond 3
    in_pod busybox rm /layer-50
    podman container checkpoint --export "$WORK/many.tar" --compress none "$NAME" >/dev/null
    podman rm --force --time 0 "$NAME" >/dev/null
    stasis import "$WORK/many.tar" first >/dev/null
    stasis restore "$NAME" first >/dev/null
    wait_for 30 "$NAME counts on" counts_beyond "$(count)"
    check_eq "$(in_pod sh -c 'echo layer-*' | wc -w)" 98 "its files of the layers, of which it removed one"
)

echo "== one of stasis itself comes through a pipe"
stasis export "$NAME" first --output "$WORK/own.tar.zst" >/dev/null
stasis import <(cat "$WORK/own.tar.zst") piped >/dev/null
stasis verify "$NAME" piped >/dev/null

echo "== what is refused, and leaves nothing"
rm "$ARCHIVE"
podman container checkpoint --leave-running --export "$ARCHIVE" --compress none "$NAME" >/dev/null
mv "$ARCHIVE" "$WORK/whole.tar"
head -c 100000 "$WORK/whole.tar" >"$ARCHIVE"
refused "an archive that ends too early" "damaged"
changed rm checkpoint/pstree.img
refused "an archive without an image of CRIU's" "pstree.img"
changed sed -i "s/\"runtime\": \"$PODMAN_RUNTIME\"/\"runtime\": \"kata\"/" config.dump
refused "a container of another runtime's" "kata" 1
changed ln -s ../pre-checkpoint checkpoint/parent
refused "an archive that is not all of it" "with-previous" 1
changed sed -i "s/$(podman image inspect --format '{{.Id}}' box)/$(printf %064d 0)/" config.dump
refused "a container without its image" "podman load" 1
changed sed -i "s/$(pod_field .Id)/--all/" config.dump
refused "an id that podman would take for an option" "whose id is"
changed sed -i "s|\"staticDir\": \".*\"|\"staticDir\": \"$PODMAN/root/../elsewhere\"|" config.dump
refused "a folder outside of podman's storage" "elsewhere" 1
changed sed -i 's/"volumeName": "/&..\//' config.dump
refused "a volume outside of podman's" "volume called"
changed truncate -s 5000 spec.dump
refused "half a configuration" "can't be read"
changed sh -c "mv spec.dump '$WORK/spec' && ln -s '$WORK/spec' spec.dump"
refused "a link to a file of the host" "is no file"
changed sh -c "mv checkpoint '$WORK/' && ln -s '$WORK/checkpoint' checkpoint"
refused "a link to a folder of the host" "no images"
changed sed -i 's/"UIDMap": \(null\|\[\]\)/"UIDMap": [{"container_id": 0, "host_id": 100000, "size": 5000}]/' config.dump
refused "a container of a user namespace" "user namespace" 1
changed true
mkdir "$WORK/second"
sed "s/\"name\": \"$NAME\"/\"name\": \"other\"/" "$WORK/parts/config.dump" >"$WORK/second/config.dump"
tar --append --file "$ARCHIVE" --directory "$WORK/second" config.dump
refused "an archive with two names" "two names"
mkdir "$WORK/outside"
touch "$WORK/outside/file"
ln -s "$WORK/outside" "$WORK/link"
changed sh -c "tar --append --file rootfs-diff.tar --directory '$WORK' link && echo '[\"/link/file\"]' >deleted.files"
refused "a removed file behind a link" "link" 1
changed sh -c "echo '[\"/../../../../../../../$WORK/outside/file\"]' >deleted.files"
refused "a removed file outside" "outside" 1
[ -e "$WORK/outside/file" ] || fail "a file outside was removed"
! stasis import - bad <"$WORK/whole.tar" 2>"$WORK/err" || fail "an archive of podman's was read from a pipe"
grep -q "does not begin with" "$WORK/err" || fail "no word of why not from a pipe: $(<"$WORK/err")"
check_eq "$(mount | grep -c "$STASIS_STORE" || true)" 0 "mounts in the store"
assert_no_leftovers
