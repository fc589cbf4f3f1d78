#!/usr/bin/env bash
# Containers of LXC that are whole systems: Debian with cron, sshd, rsyslog and dbus, under sysvinit and under systemd,
# with the settings that LXC's own templates use. Every service answers after a restore, as the process that it was.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/lxc.sh"
. "$(dirname "$0")/lxc_bridge.sh"
. "$(dirname "$0")/system.sh"
need ssh ssh-keygen

DEFAULTS=/usr/share/lxc/config
[ -e "$DEFAULTS/common.conf" ] || skip_machine "LXC has no default configuration here"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/key"
# One try that hangs, while the container boots, must not take the time of all.
SSH=(ssh -i "$WORK/key" -o ConnectTimeout=5 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o LogLevel=ERROR)

# system_container NAME ADDRESS LINE...: sets $NAME, $ROOTFS and $ADDRESS
system_container() {
    NAME=$1-$RUN ROOTFS=$LXC/$1-$RUN/rootfs ADDRESS=$2
    mkdir -p "$LXC/$NAME"
    system_tree "$ROOTFS"
    mkdir -p "$ROOTFS/root/.ssh"
    cp "$WORK/key.pub" "$ROOTFS/root/.ssh/authorized_keys"
    {
        printf '%s\n' "lxc.include = $DEFAULTS/common.conf" "${@:3}" "lxc.uts.name = $1" "lxc.rootfs.path = dir:$ROOTFS"
        on_bridge "$ADDRESS"
    } >"$LXC/$NAME/config"
}

boot() {
    lxc start --daemon --logfile "$WORK/$NAME.log" </dev/null >/dev/null 2>&1
    wait_for 60 "$NAME to be up" is_up
}
is_up() { in_lxc pgrep -x "getty|agetty" && in_ssh true; }
in_ssh() { outside "${SSH[@]}" "root@$ADDRESS" "$@" </dev/null; }

# One connection that stays, to a shell inside that counts what it was asked.
session_start() {
    # shellcheck disable=SC2016
    coproc SESSION { outside "${SSH[@]}" "root@$ADDRESS" 'n=0; while read -r word; do n=$((n+1)); echo $n $word; done'; }
    ASKED=0
}
session_goes_on() { # WHAT
    local answer
    ASKED=$((ASKED + 1))
    echo hello >&"${SESSION[1]}"
    read -r -t 30 answer <&"${SESSION[0]}" || fail "$1: the ssh session does not answer"
    check_eq "$answer" "$ASKED hello" "$1: the ssh session"
}
session_stop() {
    local pid=$SESSION_PID
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# The processes that the services are. LXC gives it four terminals, and Debian has gettys for six: two come and go.
services() {
    in_lxc pgrep -a -x 'init|systemd|rsyslogd|cron|dbus-daemon|systemd-journal|systemd-logind|getty|agetty' |
        grep -v 'tty[56]$'
}
has_logged() { grep -q "$1" "$ROOTFS/var/log/syslog"; }
check_services() { # WHAT
    local word
    check_eq "$(lxc_state)" RUNNING "$1: lxc-info"
    check_eq "$(services)" "$SERVICES" "$1: the services"
    check_eq "$(in_ssh echo there)" there "$1: a new connection to sshd"
    word=word-$RANDOM$RANDOM
    in_ssh logger "$word"
    wait_for 20 "$1: rsyslog writes" has_logged "$word"
    in_ssh dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames |
        grep -q org.freedesktop.DBus || fail "$1: dbus does not answer"
}

cycle() {
    SERVICES=$(services)
    for word in rsyslogd cron dbus-daemon getty; do
        [[ $SERVICES == *"$word"* ]] || fail "no $word in $NAME: $SERVICES"
    done
    session_start
    session_goes_on "before"
    check_services "before"
    stasis snapshot "$NAME" s1 >/dev/null
    session_goes_on "after the snapshot"
    check_services "after the snapshot"
    for round in 1 2; do
        stasis stateful-stop "$NAME" >/dev/null
        check_eq "$(lxc_state)" STOPPED "after stop $round"
        stasis restore "$NAME" >/dev/null
        session_goes_on "after restore $round"
        check_services "after restore $round"
    done
    assert_no_leftovers
    session_stop
}

echo "== sysvinit"
system_container sysv 10.77.0.2
boot
cycle
in_lxc pgrep -x getty >"$WORK/gettys"
check_ge "$(wc -l <"$WORK/gettys")" 4 "gettys on the terminals of lxc.tty.max"
stasis restore "$NAME" s1 --replace >/dev/null
check_services "after the restore of the snapshot"
lxc stop --kill

echo "== systemd: what is in the way is named by unit and setting"
system_container sysd 10.77.0.3 "lxc.init.cmd = /lib/systemd/systemd"
# Two units with a mount namespace, logind and this one.
mkdir -p "$ROOTFS/etc/systemd/system/cron.service.d"
printf '[Service]\nPrivateTmp=yes\n' >"$ROOTFS/etc/systemd/system/cron.service.d/private.conf"
boot
expect_exit 1 stasis stateful-stop "$NAME"
[[ $ERR == *"systemctl edit systemd-logind.service"*"ProtectHostname=no"* ]] || fail "no unit, or no setting: $ERR"
for program in "/proc/$(lxc info --no-humanize --pid)/fd"/*; do
    [ "$(readlink "$program")" = anon_inode:bpf-prog ] || continue
    [[ $ERR == *"systemctl edit systemd-journald.service"*"IPAddressDeny="* ]] || fail "no unit of BPF: $ERR"
done
check_eq "$(lxc_state)" RUNNING "after the refusal"

echo "== systemd: as it says, it comes back, a unit with a mount namespace of its own included"
while read -r unit setting; do
    mkdir -p "$ROOTFS/etc/systemd/system/$unit.d"
    printf '[Service]\n%s\n' "$setting" >"$ROOTFS/etc/systemd/system/$unit.d/$RANDOM$RANDOM.conf"
    UNITS+=("$unit")
done < <(sed -n 's/.*`systemctl edit \(.*\)` in the target, set \(.*\) there.*/\1 \2/p' <<<"$ERR")
if [[ $ERR == *BPF* ]]; then
    in_lxc systemctl daemon-reload
    in_lxc systemctl restart "${UNITS[@]}"
    expect_exit 1 stasis stateful-stop "$NAME"
    [[ $ERR == *"that units had before"*"start the target again"* ]] || fail "no word of what systemd keeps: $ERR"
fi
lxc stop --kill
UNITS_ROOT=$ROOTFS/etc/systemd/system
system_container again 10.77.0.4 "lxc.init.cmd = /lib/systemd/systemd"
cp -a "$UNITS_ROOT/." "$ROOTFS/etc/systemd/system/"
boot
stasis check "$NAME" >/dev/null
cycle
in_lxc systemctl restart cron.service
check_eq "$(in_lxc systemctl is-system-running)" running "what systemd says of itself"
lxc stop --kill
