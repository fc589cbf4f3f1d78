#!/usr/bin/env bash
# Containers of podman that are whole systems: Debian with cron, sshd, rsyslog and dbus, under sysvinit and under systemd.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/podman.sh"
. "$(dirname "$0")/system.sh"

system_tree "$WORK/tree"
system_units "$WORK/tree"
tar --create --directory "$WORK/tree" . | podman import --quiet - system >/dev/null
rm -rf "$WORK/tree"

inside() { in_pod "$@"; }
is_running() { [ "$(pod_status)" = running ]; }
# new_system NAME INIT
new_system() {
    NAME=$1-$RUN
    podman run --detach --name "$NAME" --cgroup-parent "/stasis-$RUN" --network none --systemd always system "$2" >/dev/null
    wait_for 60 "$NAME to be up" system_is_up
}

echo "== sysvinit"
new_system sysv /sbin/init
system_cycle
podman rm --force --time 0 "$NAME" >/dev/null

echo "== systemd, whose units keep their control groups"
new_system sysd /lib/systemd/systemd
system_groups "before"
system_cycle
system_groups "after it all"
inside systemctl restart cron.service
check_eq "$(inside systemctl is-system-running)" running "what systemd says of itself"
