# Sourced by every root test: a private place to work in, checks, and a cleanup
# that happens whatever becomes of the test.
#
# From the environment: STASIS (the tool), TARGETS_DIR (the built tests/targets),
# STASIS_CRIU (a CRIU that works on this kernel), TMPDIR (must be on a disk).
# Exit code 77 says that this machine can't run the test, and prints why.
# shellcheck shell=bash

set -Eeuo pipefail
export LC_ALL=C
trap 'echo "failed: ${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND" >&2' ERR

TESTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHON=/usr/bin/python3 # a `python3` from PATH may be some version manager's shim

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip_machine() {
    echo "SKIP-MACHINE: $*"
    exit 77
}

# need PROGRAM...: all of these are installed.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip_machine "$program is not installed"
    done
}

check_eq() { # ACTUAL EXPECTED WHAT
    [ "$1" = "$2" ] || fail "$3: expected '$2', got '$1'"
}

check_ge() { # ACTUAL LEAST WHAT
    [ "$1" -ge "$2" ] || fail "$3: expected at least $2, got '$1'"
}

# wait_for SECONDS WHAT COMMAND...: polls until COMMAND succeeds. The only place that sleeps; to start a program for that
# takes longer than it sleeps. The time of day
# may be set meanwhile; that since boot is not.
wait_for() {
    local seconds=$1 what=$2 now end
    shift 2
    read -r now _ </proc/uptime
    end=$((10#${now/./} + seconds * 100))
    until "$@" >/dev/null 2>&1; do
        read -r now _ </proc/uptime
        [ $((10#${now/./})) -lt "$end" ] || fail "waited $seconds s for: $what ($*)"
        read -rt 0.03 <>"$WORK/never" || true
    done
}

# expect_exit CODE COMMAND...: leaves the command's output in $OUT and $ERR.
expect_exit() {
    local expected=$1 code=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
    OUT=$(<"$WORK/out") ERR=$(<"$WORK/err")
    [ "$code" = "$expected" ] || fail "exit code $code, expected $expected: $*
--- stdout
$OUT
--- stderr
$ERR"
}

# flip FILE OFFSET: turns over the bits of one byte: one that is written over may have been the same before.
flip() {
    "$PYTHON" -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 0xff]))' "$@"
}

# field KEY TEXT: the value in a text of `key=value` words.
field() {
    [[ " ${2//$'\n'/ } " == *" $1="* ]] || fail "no $1= in '$2'"
    local rest=" ${2//$'\n'/ } "
    rest=${rest#*" $1="}
    echo "${rest%% *}"
}

# shellcheck disable=SC2086
stasis() { "$STASIS" --store "$STASIS_STORE" $ROOTS "$@"; }
# The runtime of this test's containers, and what starts one; its state folder is $RUNC_ROOT, whichever it is.
RUNTIME=runc START=(runc)
rc() { "$RUNTIME" --root "$RUNC_ROOT" "$@"; }

# unique_id BASE: a container id that no other run of any test uses.
unique_id() {
    echo "$1-$RUN" | tee -a "$REGISTRY/ids"
}

container_field() { # ID KEY
    local state
    state=$(rc state "$1" 2>/dev/null) && [[ $state =~ \"$2\"\ *:\ *\"?([^\",]*) ]] && echo "${BASH_REMATCH[1]}"
}
container_pid() { container_field "$1" pid; }
container_runs() { [ "$(container_field "$1" status 2>/dev/null)" = running ]; }

# All tasks of a container, from outside, found by its cgroup: its runtime puts the id there.
container_tasks() { # ID
    local file
    for file in $(grep -lE "/$1(/|\$)" /proc/[0-9]*/cgroup 2>/dev/null || true); do
        file=${file#/proc/}
        echo "${file%/cgroup}"
    done
}
has_one_task() { # ID
    local tasks
    mapfile -t tasks < <(container_tasks "$1")
    [ ${#tasks[@]} = 1 ]
}

# A container's cgroups in all hierarchies, wherever its runtime put them.
container_cgroups() { find /sys/fs/cgroup -type d -name "$1" 2>/dev/null || true; } # ID

# pid:starttime, for the pid may be another process's later
process_identity() {
    local stat fields
    # Not $(<file): where that is not there, bash 5.2 ends the whole script.
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    # A zombie has nothing left to lose.
    [ "${stat%% *}" != Z ] || return 1
    read -ra fields <<<"$stat"
    echo "$1:${fields[19]}"
}

process_is() { # IDENTITY
    [ "$(process_identity "${1%%:*}")" = "$1" ]
}

track_pid() { process_identity "$1" >>"$REGISTRY/pids"; }
track_netns() { echo "$1" >>"$REGISTRY/netns"; }

mounts_below() { # DIR, deepest first
    cut -d' ' -f5 /proc/self/mountinfo | grep -E "^$1(/|\$)" | sort -r || true
}

# Tables CRIU-<id> of its nftables backend, chains CRIU of its iptables one (in nft's guise or not).
criu_rules_here() {
    {
        if command -v nft >/dev/null; then nft -s list ruleset; fi
        # Asking iptables-legacy would create its tables.
        if [ -s /proc/net/ip_tables_names ]; then iptables-legacy-save; fi
        if [ -s /proc/net/ip6_tables_names ]; then ip6tables-legacy-save; fi
    } 2>/dev/null | grep -oE '(table|chain|jump|-j|:).*CRIU[-0-9a-zA-Z]*' || true
}

criu_rules_in() { # PID: in the network namespace of that process
    nsenter -t "$1" -n bash -c "$(declare -f criu_rules_here); criu_rules_here" 2>/dev/null
}

no_new_criu_rules() { ! criu_rules_here | grep -vxFf "$REGISTRY/rules"; }

kill_identity() {
    process_is "$1" || return 0
    kill -KILL "${1%%:*}" 2>/dev/null || true
    wait_for 10 "end of process $1" eval "! process_is $1"
}

# clean_up STATUS: undoes what this run made; reads the registry only, so that any process can do it.
clean_up() {
    local id pid name dir identity undo
    set +e
    # Tools first, and gently: a CRIU that is killed leaves its firewall rules behind.
    if ! no_tools_left; then
        for identity in $(run_processes stasis); do kill -TERM "${identity%%:*}"; done
        (wait_for 10 "end of stasis" no_tools_left)
    fi
    for undo in "$REGISTRY"/undo.*; do [ ! -e "$undo" ] || bash "$undo" >>"$WORK/cleanup.log" 2>&1; done
    for identity in $(run_processes '.*'); do (kill_identity "$identity"); done
    for id in $(sort -u "$REGISTRY/ids"); do
        for dir in $(container_cgroups "$id"); do
            [ ! -e "$dir/freezer.state" ] || echo THAWED >"$dir/freezer.state"
            [ ! -e "$dir/cgroup.freeze" ] || echo 0 >"$dir/cgroup.freeze"
        done
        [ ! -d "$RUNC_ROOT/$id" ] || rc delete --force "$id" >>"$WORK/cleanup.log" 2>&1
        for pid in $(container_tasks "$id"); do
            identity=$(process_identity "$pid") && (kill_identity "$identity")
        done
    done
    for identity in $(cat "$REGISTRY/pids" 2>/dev/null); do (kill_identity "$identity"); done
    for name in $(sort -u "$REGISTRY/netns" 2>/dev/null); do
        ip netns delete "$name" 2>/dev/null
    done
    for dir in $(mounts_below "$WORK"); do umount -l "$dir"; done
    for id in $(sort -u "$REGISTRY/ids" 2>/dev/null); do
        for dir in $(container_cgroups "$id"); do
            find "$dir" -depth -type d -exec rmdir {} \; 2>/dev/null
        done
    done
    if [ -n "$(mounts_below "$WORK")" ]; then
        echo "still mounted below $WORK, kept" >&2
    elif [ "$1" = 0 ] || [ "$1" = 77 ]; then
        rm -rf --one-file-system "$WORK"
    else
        find "$WORK" -xdev -type f -size +8M -delete
        rm -rf --one-file-system "$REGISTRY"
        echo "kept for a look: $WORK" >&2
    fi
}

# CTest's timeout is a SIGKILL, which no trap sees: a process of its own, in its own
# process group and no child of ours, waits for our end and cleans up if we couldn't.
start_guardian() {
    (
        set -m
        (
            trap '' HUP INT TERM
            trap - ERR EXIT
            tail --pid="$1" -f /dev/null
            [ ! -d "$REGISTRY" ] || clean_up 1
        ) </dev/null >"$WORK/guardian.log" 2>&1 &
    )
}

# Only what a run of ours could have left, and only what is certainly this test's.
# Meant for a moment when every container of the test should be running or gone.
assert_no_leftovers() {
    local id pid dir state partial
    for id in $(sort -u "$REGISTRY/ids" 2>/dev/null); do
        for pid in $(container_tasks "$id"); do
            state=$(sed -n 's/^State:\t//p' "/proc/$pid/status" 2>/dev/null) || continue
            [[ $state != [tT]* ]] || fail "leftover: task $pid of $id is '$state'"
        done
        for dir in $(container_cgroups "$id"); do
            if [ -e "$dir/freezer.state" ]; then check_eq "$(<"$dir/freezer.state")" THAWED "leftover: freezer of $id"; fi
            if [ -e "$dir/cgroup.freeze" ]; then check_eq "$(<"$dir/cgroup.freeze")" 0 "leftover: freezer of $id"; fi
        done
        if container_runs "$id"; then
            state=$(criu_rules_in "$(container_pid "$id")")
            [ -z "$state" ] || fail "leftover: firewall rules in the namespace of $id: $state"
        fi
    done
    wait_for 10 "no criu or stasis of this run is left" no_tools_left
    no_new_criu_rules || fail "leftover: firewall rules: $(criu_rules_here)"
    partial=$(find "$STASIS_STORE" -name '*.partial' 2>/dev/null || true)
    [ -z "$partial" ] || fail "leftover: $partial"
    # An engine has its containers mounted as long as they are there.
    state=$(mounts_below "$WORK" | grep -vE "^$WORK/(srv/)?engine/" || true)
    [ -z "$state" ] || fail "leftover: mounts: $state"
}

# Everything that this test starts has STASIS_TEST_RUN in its environment, containers excepted.
run_processes() { # COMMAND-NAME-PATTERN
    local pid name
    for pid in $(grep -lzxF "STASIS_TEST_RUN=$WORK" /proc/[0-9]*/environ 2>/dev/null || true); do
        pid=${pid#/proc/} pid=${pid%/environ}
        { read -r name <"/proc/$pid/comm"; } 2>/dev/null || continue
        [[ ! $name =~ ^($1)$ ]] || process_identity "$pid" || true
    done
}

no_tools_left() { [ -z "$(run_processes 'criu|stasis|rsync')" ]; }

[ "$(id -u)" = 0 ] || skip_machine "not root"
# The runtimes take criu from PATH.
criu=${STASIS_CRIU:-/opt/stasis/criu/sbin/criu}
[ ! -d "$criu" ] || criu=$criu/criu
[ ! -x "$criu" ] || export PATH=${criu%/*}:$PATH
need runc criu nsenter ip "$PYTHON"

WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/stasis-test.XXXXXX")
[ "$(stat -f -c %T "$WORK")" != tmpfs ] || {
    rmdir "$WORK"
    skip_machine "${TMPDIR:-/var/tmp} is a tmpfs: set TMPDIR to a folder on a disk"
}
chmod 0711 "$WORK" # a user namespace's root must reach the rootfs
mkfifo "$WORK/never"
RUN=${WORK##*.}
REGISTRY=$WORK/registry
RUNC_ROOT=$WORK/runc
ROOTS="--runc-root $RUNC_ROOT --crun-root $RUNC_ROOT" # the two tell their containers apart
STASIS_STORE=$WORK/store
STASIS=${STASIS:-$TESTS_DIR/../../build/cmd/stasis}
mkdir "$REGISTRY" "$RUNC_ROOT"
touch "$REGISTRY"/{ids,pids,netns}
criu_rules_here >"$REGISTRY/rules"

start_guardian $$
export STASIS_TEST_RUN=$WORK
on_exit() {
    local status=$?
    trap - ERR
    trap '' INT TERM HUP
    clean_up $status
    exit $status
}
trap on_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
[ -x "$STASIS" ] || fail "no stasis at $STASIS"
