#!/usr/bin/env bash
# Containers of runc that are whole systems: Debian with cron, sshd, rsyslog and dbus, under sysvinit and under systemd.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bundle.sh"
. "$(dirname "$0")/system.sh"

inside() { rc exec "$NAME" "$@" </dev/null; }
is_running() { container_runs "$NAME"; }
# new_system NAME INIT
new_system() {
    NAME=$(unique_id "$1") BUNDLE=$WORK/$1
    mkdir "$BUNDLE"
    system_tree "$BUNDLE/rootfs"
    system_units "$BUNDLE/rootfs"
    runc spec --bundle "$BUNDLE"
    # The variable is what tells systemd that it is in a container (container interface, systemd.io).
    bundle_set "$BUNDLE" '
c["process"].update(terminal=False, rlimits=[], args=args, env=c["process"]["env"] + ["container=runc"])
c["root"]["readonly"] = False
for kind in c["process"]["capabilities"].values():
    kind += ["CAP_" + name for name in """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID SETUID SETGID SETPCAP SETFCAP
                                          SYS_CHROOT SYS_ADMIN NET_ADMIN NET_RAW""".split()]
c["linux"]["namespaces"].append({"type": "cgroup"})
c["mounts"] = [mount for mount in c["mounts"] if mount["type"] != "cgroup"]
for kind, place, mode in ("tmpfs", "/run", ["mode=755"]), ("tmpfs", "/run/lock", []), ("cgroup", "/sys/fs/cgroup", ["rw"]):
    c["mounts"].append({"type": kind, "source": kind, "destination": place, "options": ["nosuid", "nodev"] + mode})
' "$2"
    start_container "$NAME" "$BUNDLE"
    wait_for 60 "$NAME to be up" system_is_up
}

echo "== sysvinit"
new_system sysv /sbin/init
system_cycle
rc delete --force "$NAME"

echo "== systemd, with a file system that it has mounted in the namespaces of its units as well"
new_system sysd /lib/systemd/systemd
system_groups "before"
expect_exit 1 stasis snapshot "$NAME" s1
check_eq "$(grep -c "'/dev/hugepages' .* in the container, which" <<<"$ERR")" 1 "how often its own is named"
UNIT=$(sed -n 's/.* or unmount it and restart \([^;]*\);.*/\1/p' <<<"$ERR")
check_eq "$UNIT" systemd-logind.service "the unit that sees it, too"
inside umount /dev/hugepages
inside systemctl restart "$UNIT"
system_cycle
system_groups "after it all"
inside systemctl restart cron.service
