#!/usr/bin/env bash
# A container of podman that moves: podman there has it, by the same id and with its settings, and podman here no
# more; and back again. Where podman has a container no more, a restore has it made again.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/second_host.sh"
export PODMAN=$SRV/engine
second_host_setup
. "$(dirname "$0")/podman.sh"

# podman's locks lie in /dev/shm.
in_host_b mount -t tmpfs tmpfs /dev/shm
mkdir -p "$HOST_B/srv/engine"/{networks,tmp}
cp "$CONTAINERS_CONF" "$CONTAINERS_STORAGE_CONF" "$HOST_B/srv/engine/"
podman_b() { in_host_b podman "$@"; }
cat >"$REGISTRY/undo.host-b-podman" <<UNDO
export CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF
$(declare -p HOST_B_PID)
$(declare -f in_host_b)
in_host_b podman rm --all --force --time 0
UNDO

ENGINE="env CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF"
TO[-1]="$ENGINE $STASIS --store $STASIS_STORE"
way_back "${TO[-1]}"
stasis_b() { in_host_b "$STASIS" --store "$STASIS_STORE" "$@"; }

# Counts in memory; writes the count to its root file system and to /dev/shm.
# shellcheck disable=SC2016
new_container counter --network none --restart always --env KEPT=yes --volume "vol-$RUN:/data" -- sh -c \
    'i=0; while :; do i=$((i+1)); echo $i >/dev/shm/new; mv /dev/shm/new /dev/shm/count; echo $i >/new; mv /new /count; cp /count /data/new; mv /data/new /data/count; sleep 0.05; done'
ID=$(pod_field .Id)
# count HERE: in_pod or in_pod_b
in_pod_b() { podman_b exec "$NAME" "$@"; }
counts_beyond() { [ "$("$1" cat /count)" -gt "$2" ]; }
goes_on() { # IN-POD LEAST
    local file
    wait_for 30 "$NAME to count on ($1)" counts_beyond "$1" "$2"
    for file in /dev/shm/count /data/count; do
        check_ge "$("$1" cat $file)" "$2" "what it counts in $file ($1)"
    done
}
wait_for 30 "$NAME counts" counts_beyond in_pod 3

echo "== the image must be there"
expect_exit 6 stasis move-to-host "podman:$NAME" "$HOST" "${TO[@]}" --with-volumes
grep -q "podman has no image 'localhost/box:latest' here" <<<"$ERR" || fail "not told: $ERR"
goes_on in_pod "$(in_pod cat /count)"
podman save --quiet box | podman_b load --quiet >/dev/null

echo "== there and back, twice"
for round in 1 2; do
    before=$(in_pod cat /count)
    stasis move-to-host "podman:$NAME" "$HOST" "${TO[@]}" --with-volumes >/dev/null
    goes_on in_pod_b "$before"
    check_eq "$(podman_b ps --no-trunc --format '{{.ID}} {{.Names}}')" "$ID $NAME" "podman ps there ($round)"
    check_eq "$(podman_b container inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$NAME")" always \
        "its restart policy there ($round)"
    check_eq "$(podman ps --all --quiet)" "" "podman ps here, after it left ($round)"
    before=$(in_pod_b cat /count)
    stasis_b move-to-host "podman:$NAME" a "${BACK[@]}" --with-volumes >/dev/null
    goes_on in_pod "$before"
    check_eq "$(pod_status)" running "podman here ($round)"
    check_eq "$(podman_b ps --all --quiet)" "" "podman ps there, after it came back ($round)"
done

echo "== a move that breaks off leaves it here, and nothing there"
mkdir "$WORK/broken"
cat >"$WORK/broken/podman" <<SH
#!/bin/sh
case " \$* " in *" restore --keep "*) exit 1 ;; esac
exec $(command -v podman) "\$@"
SH
chmod +x "$WORK/broken/podman"
to=("${TO[@]}")
to[-1]="env PATH=$WORK/broken:$PATH ${TO[-1]}"
before=$(in_pod cat /count)
expect_exit 1 stasis move-to-host "podman:$NAME" "$HOST" "${to[@]}" --with-volumes
goes_on in_pod "$before"
check_eq "$(podman_b ps --all --quiet)" "" "podman ps there, after a move broke off"
assert_no_leftovers

echo "== a container that podman has no more comes back with its settings"
stasis stateful-stop "podman:$NAME" >/dev/null
before=$(cat "$STASIS_STORE/podman/$NAME"/stop-*/rootfs/count)
podman rm "$NAME" >/dev/null
stasis restore "podman:$NAME" >/dev/null
goes_on in_pod "$before"
check_eq "$(pod_field .Id) $(pod_field .HostConfig.RestartPolicy.Name)" "$ID always" "what podman has again"
echo "-- and once more, to where its files are now"
in_pod sh -c 'echo later >/later'
stasis restore "podman:$NAME" --replace >/dev/null
goes_on in_pod "$before"
in_pod sh -c '[ ! -e /later ]' || fail "a file that was made later is still there"
echo "-- not while it has another name"
podman rename "$NAME" "other-$RUN"
expect_exit 6 stasis restore "podman:$NAME"
grep -q "podman has it by another name" <<<"$ERR" || fail "no word of the other name: $ERR"
podman rename "other-$RUN" "$NAME"
goes_on in_pod "$before"
podman stop --time 0 "$NAME" >/dev/null
check_eq "$(pod_status)" exited "podman stop"
podman start "$NAME" >/dev/null
wait_for 30 "$NAME starts anew" counts_beyond in_pod 3
stasis snapshot "podman:$NAME" again >/dev/null
