#!/usr/bin/env bash
# The units of dist/: systemd understands them, this stasis understands the commands in them, and they stand in the
# order that a shutdown needs.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

UNITS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../dist" && pwd)

# settings UNIT KEY: their values, one a line
settings() { sed -n "s/^$2=//p" "$UNITS/$1"; }
# commands UNIT: as systemd runs them, for an instance `web1` and with no options of the admin's
commands() { sed -nE 's/^Exec[A-Za-z]+=//p' "$UNITS/$1" | sed -E 's/%i/web1/g; s/ \$[A-Z_]+//g'; }

for path in "$UNITS"/*.service; do
    unit=${path##*/}
    [ -n "$(commands "$unit")" ] || fail "$unit runs nothing"
    while read -r program arguments; do
        check_eq "$program" stasis "program of $unit"
        # shellcheck disable=SC2086
        expect 0 "$STASIS" $arguments --help
        # What --help does not look at: all of it is understood, and then root or a rule is missing.
        # shellcheck disable=SC2086
        "$STASIS" --store "$STORE" --runc-root "$WORK" $arguments >/dev/null 2>"$WORK/err" || true
        check_hasnt "$(<"$WORK/err")" "stasis COMMAND --help"
    done < <(commands "$unit")
    # Containers live in control groups of their own, but a runtime may leave a process in the unit's.
    check_eq "$(settings "$unit" KillMode)" process "KillMode of $unit"
done
# The default of PRUNE_OPTIONS is made of rules.
# shellcheck disable=SC2046
expect 0 "$STASIS" prune web1 $(sed -n 's/^Environment="PRUNE_OPTIONS=\(.*\)"/\1/p' "$UNITS/stasis-snapshot@.service") --help

check_has "$(commands stasis-host.service)" "stateful-stop --all --keep-going"
check_eq "$(settings stasis-host.service ExecStart)" "" "what can fail at the start of stasis-host.service"
check_eq "$(settings stasis-host.service RemainAfterExit)" yes "RemainAfterExit: only then is it stopped at shutdown"
for unit in docker.service containerd.service lxc.service podman-restart.service local-fs.target remote-fs.target network.target; do
    check_has " $(settings stasis-host.service After | tr '\n' ' ')" " $unit "
done
check_has "$(settings stasis-restore.service After)" stasis-host.service
for unit in stasis-host.service stasis-restore.service; do
    check_eq "$(settings $unit TimeoutStopSec)" 1h "systemd's 90 seconds are too short for $unit"
done

command -v systemd-analyze >/dev/null || skip_machine "systemd-analyze is not installed"
# As installed, with a stasis where systemd finds it.
mkdir "$WORK/units"
for path in "$UNITS"/*.{service,timer}; do
    unit=${path##*/}
    sed -E "s,^(Exec[A-Za-z]+=)stasis ,\1$STASIS ," "$path" >"$WORK/units/${unit/@/@web1}"
done
for path in "$WORK/units"/*; do
    said=$(SYSTEMD_UNIT_PATH=$WORK/units: systemd-analyze verify --man=no "$path" 2>&1) || fail "${path##*/}: $said"
    check_hasnt "$said" "$WORK/units"
    check_hasnt "$said" "${path##*/}:"
done
