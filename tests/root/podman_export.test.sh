#!/usr/bin/env bash
# A checkpoint of podman's container that goes to a podman without stasis: `podman container restore --import` takes it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/podman.sh"

ARCHIVE=$WORK/checkpoint.tar.zst

# imported OPTION...: podman makes the container of the archive, which it has no more; it counts on from $BEFORE.
imported() {
    podman container restore --import "$ARCHIVE" "$@" >/dev/null
    check_eq "$(pod_status)" running "podman, of what it imported"
    for file in /count /dev/shm/count; do check_ge "$(in_pod cat $file)" "$BEFORE" "what it counts in $file"; done
    [ "$(count)" -lt $((BEFORE + 1000)) ] || fail "it was not taken back"
    wait_for 10 "$NAME counts on" counts_beyond "$(count)"
    check_eq "$(in_pod cat /etc/made)" kept "a file that it made"
    check_eq "$(in_pod sh -c 'for file in /bin/cut /bin/cat; do [ ! -e $file ] || echo $file; done')" /bin/cat \
        "what is left of two files of the image, one of which it removed"
    rm "$ARCHIVE"
}

new_container exported --network none --volume "vol-$RUN:/data" -- sh -c "$COUNT_EVERYWHERE"
wait_for 30 "$NAME counts" counts_beyond 3
in_pod sh -c 'mkdir -p /etc && echo kept >/etc/made && busybox rm /bin/cut'

echo "== with its volume, compressed, as an increment"
stasis snapshot "$NAME" first --with-volumes >/dev/null
wait_for 10 "$NAME counts" counts_beyond "$(count)"
BEFORE=$(count)
stasis snapshot "$NAME" second --with-volumes --compress zstd >/dev/null
stasis export "$NAME" second --podman --output "$ARCHIVE" >/dev/null
wait_for 10 "$NAME counts" counts_beyond "$((BEFORE + 20))"
podman rm --force --time 0 "$NAME" >/dev/null
podman volume rm "vol-$RUN" >/dev/null
imported
check_ge "$(in_pod cat /data/count)" "$BEFORE" "what its volume has"

echo "== without its volume"
BEFORE=$(count)
stasis snapshot "$NAME" third >/dev/null
stasis export "$NAME" third --podman --output "$ARCHIVE" >/dev/null
podman rm --force --time 0 "$NAME" >/dev/null
imported --ignore-volumes

echo "== what podman's archives have no place for"
podman rm --force --time 0 "$NAME" >/dev/null
mkdir "$WORK/bound"
new_container bound --network none --env MOTTO=hunter2 --volume "$WORK/bound:/data" -- sh -c "$COUNT_EVERYWHERE"
wait_for 30 "$NAME counts" counts_beyond 3
stasis snapshot "$NAME" s1 --with-volumes >/dev/null
expect_exit 1 stasis export "$NAME" s1 --podman --output "$ARCHIVE"
grep -q "has no name" <<<"$ERR" || fail "no word of the volume: $ERR"
[ ! -e "$ARCHIVE" ] || fail "half an archive is left"

echo "== a report has podman's settings without the environment, whatever its names say"
stasis bug-report "podman:$NAME" --output "$WORK/report.tar.zst" >/dev/null
mkdir "$WORK/report"
tar --zstd -xf "$WORK/report.tar.zst" -C "$WORK/report"
grep -rq "MOTTO" "$WORK/report" || fail "the report has no settings"
! grep -rl "hunter2" "$WORK/report" || fail "the report has a secret"

echo "== from where no program may be started"
mkdir "$WORK/noexec"
mount -t tmpfs -o noexec,mode=0700 tmpfs "$WORK/noexec"
stasis snapshot "$NAME" --dir "$WORK/noexec/s1" >/dev/null
expect_exit 6 stasis restore "$NAME" --dir "$WORK/noexec/s1" --replace
grep -q "noexec" <<<"$ERR" || fail "no word of noexec: $ERR"
check_eq "$(pod_status)" running "podman, after the refusal"
umount "$WORK/noexec"
assert_no_leftovers
