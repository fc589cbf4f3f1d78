#!/usr/bin/env bash
# A container of LXC that moves: LXC there has it, with its configuration, and LXC here no more; and back again.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/second_host.sh"
LXC=$SRV/lxc
export SHARED_CGROUPS=yes # LXC wants the control group of pid 1, which is not in one for the second host alone
second_host_setup
. "$(dirname "$0")/lxc.sh"

TO[-1]="$STASIS --store $STASIS_STORE --lxc-path $LXC"
way_back "${TO[-1]}"
stasis_b() { in_host_b "$STASIS" --store "$STASIS_STORE" --lxc-path "$LXC" "$@"; }
lxc_b() { in_host_b "lxc-$1" --lxcpath "$LXC" --name "$NAME" "${@:2}"; }

# shellcheck disable=SC2016
new_container counter 'i=0; while :; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.05; done' "lxc.tty.max = 2"
THERE=$HOST_B/srv/lxc/$NAME/rootfs
counts_beyond() { [ "$(cat "$1/count")" -gt "$2" ]; }
wait_for 10 "$NAME counts" counts_beyond "$ROOTFS" 3
CONFIG=$(<"$LXC/$NAME/config")

goes_on() { # FOLDER LEAST
    wait_for 10 "$NAME to count in $1" counts_beyond "$1" "$(cat "$1/count")"
    check_ge "$(cat "$1/count")" "$2" "what it counts in $1"
}

echo "== there and back, twice"
for round in 1 2; do
    before=$(cat "$ROOTFS/count")
    stasis move-to-host "lxc:$NAME" "$HOST" "${TO[@]}" >/dev/null
    goes_on "$THERE" "$before"
    check_eq "$(lxc_b info --no-humanize --state)" RUNNING "lxc-info there ($round)"
    check_ge "$(lxc_b attach -- cat /count)" "$before" "lxc-attach there ($round)"
    check_eq "$(<"$HOST_B/srv/lxc/$NAME/config")" "$CONFIG" "its configuration there ($round)"
    [ ! -e "$LXC/$NAME/config" ] || fail "LXC here still has it ($round)"
    before=$(cat "$THERE/count")
    stasis_b move-to-host "lxc:$NAME" a "${BACK[@]}" >/dev/null
    goes_on "$ROOTFS" "$before"
    check_eq "$(lxc_state)" RUNNING "lxc-info here ($round)"
    [ ! -e "$HOST_B/srv/lxc/$NAME/config" ] || fail "LXC there still has it ($round)"
done

echo "== a move that breaks off leaves it here, and nothing there"
rm -rf "$HOST_B/srv/lxc" "${HOST_B:?}/store"/*
mkdir "$WORK/broken"
cat >"$WORK/broken/lxc-checkpoint" <<SH
#!/bin/sh
case " \$* " in *" --restore "*) exit 1 ;; esac
exec $(command -v lxc-checkpoint) "\$@"
SH
chmod +x "$WORK/broken/lxc-checkpoint"
to=("${TO[@]}")
to[-1]="env PATH=$WORK/broken:$PATH ${TO[-1]}"
before=$(cat "$ROOTFS/count")
expect_exit 1 stasis move-to-host "lxc:$NAME" "$HOST" "${to[@]}"
goes_on "$ROOTFS" "$before"
check_eq "$(lxc_state)" RUNNING "lxc-info here"
check_eq "$(find "$HOST_B/srv" -mindepth 1 ! -path "$HOST_B/srv/lxc")" "" "what is left there"

echo "== a container that LXC has no more comes back with its configuration"
stasis stateful-stop "lxc:$NAME" >/dev/null
rm "$LXC/$NAME/config"
stasis restore "lxc:$NAME" >/dev/null
goes_on "$ROOTFS" "$before"
check_eq "$(<"$LXC/$NAME/config")" "$CONFIG" "its configuration"
lxc stop --kill
