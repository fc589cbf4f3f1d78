#!/usr/bin/env bash
# A checkpoint of podman's container that goes to a podman without stasis: `podman container restore --import` takes it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/podman.sh"

ARCHIVE=$WORK/checkpoint.tar.zst
COUNT='i=0; while :; do i=$((i+1)); echo $i >/dev/shm/new; mv /dev/shm/new /dev/shm/count; echo $i >/new; mv /new /count; cp /count /data/new; mv /data/new /data/count; sleep 0.05; done'
counts_beyond() { [ "$(in_pod cat /count)" -gt "$1" ]; }

# imported OPTION...: podman makes the container of the archive, which it has no more; it counts on from $BEFORE.
imported() {
    podman rm --force --time 0 "$NAME" >/dev/null
    podman container restore --import "$ARCHIVE" "$@" >/dev/null
    check_eq "$(pod_status)" running "podman, of what it imported"
    for file in /count /dev/shm/count; do check_ge "$(in_pod cat $file)" "$BEFORE" "what it counts in $file"; done
    [ "$(in_pod cat /count)" -lt $((BEFORE + 1000)) ] || fail "it was not taken back"
    wait_for 10 "$NAME counts on" counts_beyond "$(in_pod cat /count)"
    check_eq "$(in_pod cat /etc/made)" kept "a file that it made"
    ! in_pod test -e /bin/cut || fail "a file of the image that it removed is back"
    rm "$ARCHIVE"
}

new_container exported --network none --volume "vol-$RUN:/data" -- sh -c "$COUNT"
in_pod cp /bin/busybox /bin/test
wait_for 30 "$NAME counts" counts_beyond 3
in_pod sh -c 'mkdir -p /etc && echo kept >/etc/made && busybox rm /bin/cut'

echo "== with its volume, compressed, as an increment"
stasis snapshot "$NAME" first --with-volumes >/dev/null
wait_for 10 "$NAME counts" counts_beyond "$(in_pod cat /count)"
BEFORE=$(in_pod cat /count)
stasis snapshot "$NAME" second --with-volumes --compress zstd >/dev/null
stasis export "$NAME" second --podman --output "$ARCHIVE" >/dev/null
wait_for 10 "$NAME counts" counts_beyond "$((BEFORE + 20))"
podman volume rm --force "vol-$RUN" >/dev/null 2>&1 || true
imported
check_ge "$(in_pod cat /data/count)" "$BEFORE" "what its volume has"

echo "== without its volume"
BEFORE=$(in_pod cat /count)
stasis snapshot "$NAME" third >/dev/null
stasis export "$NAME" third --podman --output "$ARCHIVE" >/dev/null
imported --ignore-volumes

echo "== what podman's archives have no place for"
podman rm --force --time 0 "$NAME" >/dev/null
mkdir "$WORK/bound"
new_container bound --network none --volume "$WORK/bound:/data" -- sh -c "$COUNT"
wait_for 30 "$NAME counts" counts_beyond 3
stasis snapshot "$NAME" s1 --with-volumes >/dev/null
expect_exit 1 stasis export "$NAME" s1 --podman --output "$ARCHIVE"
grep -q "has no name" <<<"$ERR" || fail "no word of the volume: $ERR"
[ ! -e "$ARCHIVE" ] || fail "half an archive is left"
assert_no_leftovers
