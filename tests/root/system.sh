# Sourced after common.sh: the root file system of a small Debian with services (make-system).
# shellcheck shell=bash

SYSTEM_CACHE=${STASIS_SYSTEM_CACHE:-/var/cache/stasis-system}
"$TESTS_DIR/make-system" "$SYSTEM_CACHE" || { code=$?; [ $code = 77 ] && exit 77; fail "no system"; }

# system_tree FOLDER: a copy of it
system_tree() {
    cp -a --reflink=auto "$SYSTEM_CACHE/tree" "$1"
    # Without CAP_SYS_RESOURCE CRIU can't read the limits of other users' processes.
    cat >"$1/etc/dbus-1/system-local.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><user>root</user></busconfig>
CONF
}

# What follows is of a container called $NAME, inside of which `inside COMMAND...` runs something, and which its engine
# says to run where `is_running`.

# system_units TREE: what stasis says that systemd's units need
system_units() {
    local unit
    for unit in systemd-logind systemd-journald; do
        mkdir -p "$1/etc/systemd/system/$unit.service.d"
        printf '[Service]\nProtectHostname=no\nIPAddressDeny=\n' >"$1/etc/systemd/system/$unit.service.d/stasis.conf"
    done
}

# sshd names itself once it listens.
system_is_up() { inside pgrep -f 'sshd:.*listener' && inside pgrep -x dbus-daemon && inside pgrep -x cron; }
services() { inside pgrep -a -x 'init|systemd|rsyslogd|cron|dbus-daemon|sshd|systemd-journal|systemd-logind'; }
has_logged() { inside grep -q "$1" /var/log/syslog; }
check_services() { # WHAT
    local word=word-$RANDOM$RANDOM
    is_running || fail "$1: $NAME does not run"
    check_eq "$(services)" "$SERVICES" "$1: the services"
    inside logger "$word"
    wait_for 20 "$1: rsyslog writes" has_logged "$word"
    inside dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames |
        grep -q org.freedesktop.DBus || fail "$1: dbus does not answer"
    check_eq "$(inside busybox nc -w 5 127.0.0.1 22 </dev/null | cut -c1-4)" SSH- "$1: sshd"
}

# Every service answers after each of it, as the process that it was.
system_cycle() {
    SERVICES=$(services)
    for word in rsyslogd cron dbus-daemon sshd; do
        [[ $SERVICES == *"$word"* ]] || fail "no $word in $NAME: $SERVICES"
    done
    check_services "before"
    stasis snapshot "$NAME" s1 >/dev/null
    check_services "after the snapshot"
    stasis restore "$NAME" s1 --replace >/dev/null
    check_services "after the restore of the snapshot"
    for round in 1 2; do
        stasis stateful-stop "$NAME" >/dev/null
        stasis restore "$NAME" >/dev/null
        check_services "after restore $round"
    done
    assert_no_leftovers
}

# cgroups_of PROGRAM: where it is, below the container's own
cgroups_of() { inside sh -c "cat /proc/\$(pgrep -o -x '$1')/cgroup" | sed 's/.*://' | sort -u; }
# system_groups WHAT: the units of systemd are in control groups of their own, which are the same each time.
system_groups() {
    local now
    now="$(cgroups_of systemd) $(cgroups_of cron)"
    [[ $now == */init.scope*/system.slice/cron.service* ]] || fail "$1: where they are: $now"
    check_eq "${GROUPS_OF_SYSTEMD:=$now}" "$now" "$1: the control groups of systemd and of a unit"
}
