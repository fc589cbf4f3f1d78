#!/usr/bin/env bash
# The look agrees with CRIU. For each condition a real program (tests/targets/condition.c) is looked at, then
# stopped with its state and restored although the look may object: that must fail where it blocks, and work where
# it lets pass. First bare process trees, then containers.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

CONDITION=$(target condition)
CONDITIONS=0 BLOCKED=0 AGREED=0 FALSE_ALARMS=0 MISSED=0 ABSENT=()

# The blockers of the target, by their ids.
blockers() {
    "$PYTHON" -c 'import json, sys
print(*sorted({b["id"] for b in json.load(sys.stdin)["blockers"]}))' <<<"$OUT"
}

look() { # TARGET: leaves the ids in $IDS; check's exit code must say the same
    local code=0
    stasis --json check --stop "$1" >"$WORK/out" 2>"$WORK/err" || code=$?
    OUT=$(<"$WORK/out")
    [ "$code" -le 1 ] || fail "check $1: exit code $code: $(<"$WORK/err")"
    IDS=$(blockers)
    check_eq "$code" "$([ -z "$IDS" ] && echo 0 || echo 1)" "exit code of check $1 ($IDS)"
}

# try TARGET ALIVE...: does it come back from a stop, when the look is not asked? ALIVE is a command that says so.
try() {
    local target=$1 seconds=12
    shift
    [ -z "$IDS" ] || seconds=5 # CRIU may hang on what blocks
    stasis --timeout $seconds stateful-stop --ignore-blockers "$target" >"$WORK/out" 2>"$WORK/err" || return 1
    stasis --timeout 5 restore "$target" >"$WORK/out" 2>"$WORK/err" || return 1
    "$@" || fail "$target was restored and does not run"
}

judge() { # KIND NAME OUTCOME
    local verdict=agreed
    CONDITIONS=$((CONDITIONS + 1))
    [ -z "$IDS" ] || BLOCKED=$((BLOCKED + 1))
    case $([ -z "$IDS" ] && echo free || echo blocked)-$3 in
        free-works | blocked-fails) AGREED=$((AGREED + 1)) ;;
        blocked-works) FALSE_ALARMS=$((FALSE_ALARMS + 1)) verdict='FALSE ALARM' ;;
        free-fails) MISSED=$((MISSED + 1)) verdict="MISSED: $(head -n 3 "$WORK/err" | tr '\n' ' ')" ;;
    esac
    printf '%-5s %-26s %-18s %-6s %s\n' "$1" "$2" "${IDS:--}" "$3" "$verdict"
}

runs() { [[ $(sed -n 's/^State:\t//p' "/proc/$1/status" 2>/dev/null) == [RST]* ]]; }
is_free() { [ ! -e "/proc/$1" ]; }

tree_condition() { # NAME
    local helper pid outcome=fails code=0
    rm -rf "$WORK/argument" "$WORK/pid"
    # Its descriptors are to be its own: one that it shared with us would be found.
    in_background "$CONDITION" "$1" "$WORK/pid" "$WORK/argument"
    helper=$BACKGROUND
    wait_for 20 "the condition $1" eval "[ -s '$WORK/pid' ] || ! kill -0 $helper"
    if [ ! -s "$WORK/pid" ]; then
        rm -rf "$WORK/argument"
        "$CONDITION" "$1" "$WORK/pid" "$WORK/argument" >"$WORK/out" 2>&1 || code=$?
        check_eq "$code" 77 "exit code of condition $1 ($(<"$WORK/out"))"
        ABSENT+=("$1")
        return
    fi
    pid=$(<"$WORK/pid")
    track_pid "$pid" || true # its leader may be gone
    look "pid:$pid"
    ! try "pid:$pid" runs "$pid" || outcome=works
    judge tree "$1" "$outcome"
    for process in $(pgrep -s "$pid" || true) "$pid" "$helper"; do kill -KILL "$process" 2>/dev/null || true; done
    wait_for 10 "the end of $1" is_free "$pid"
}

condition_bundle() { # NAME CONDITION: the container's id in $ID, its bundle in $BUNDLE
    ID=$(unique_id "$1") BUNDLE=$WORK/$ID.bundle
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" condition
    bundle_args "$BUNDLE" /bin/condition "$2" /data/pid /data/argument
    bundle_capabilities "$BUNDLE" CAP_SYS_ADMIN CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_PTRACE CAP_IPC_OWNER
}

try_container() { # NAME [PIDFILE [CHANGE...]], of $ID; CHANGE is a command that gets its pid
    local outcome=fails
    start_container "$ID" "$BUNDLE"
    wait_for 10 "the condition $1" test -s "${2:-$BUNDLE/rootfs/data/pid}"
    [ $# -le 2 ] || "${@:3}" "$(container_pid "$ID")"
    look "runc:$ID"
    ! try "runc:$ID" container_runs "$ID" || outcome=works
    judge runc "$1" "$outcome"
    rc delete --force "$ID"
}

container_condition() { # NAME
    condition_bundle "$1" "$1"
    try_container "$1"
}

mount_condition() { # NAME TYPE: with a file system that was mounted in the container
    condition_bundle "$1" nothing
    bundle_mount "$BUNDLE" "$2"
    try_container "$1"
}

overlay_condition() { # NAME [VOLUME]: with an overlay as root file system, and perhaps a volume at /data
    local name=$1_overlay${2:+_$2}
    condition_bundle "$name" "$1"
    [ -z "${2:-}" ] || bundle_volume "$BUNDLE" "$BUNDLE/volume" /data
    mkdir "$BUNDLE"/{upper,work}
    mv "$BUNDLE/rootfs" "$BUNDLE/lower"
    mkdir "$BUNDLE/rootfs"
    mount -t overlay overlay -o "lowerdir=$BUNDLE/lower,upperdir=$BUNDLE/upper,workdir=$BUNDLE/work" "$BUNDLE/rootfs"
    try_container "$name" "$BUNDLE/${2:-rootfs/data}/pid"
    umount "$BUNDLE/rootfs"
}

bind_root() { nsenter --target "$1" --mount mount --bind / /mnt; }

root_twice_condition() { # with a disk as root file system, which is bound a second time
    condition_bundle root_twice nothing
    mkdir -p "$BUNDLE/rootfs/mnt"
    truncate -s 64M "$BUNDLE/disk"
    mkfs.ext4 -q -d "$BUNDLE/rootfs" "$BUNDLE/disk"
    mount -o loop "$BUNDLE/disk" "$BUNDLE/rootfs"
    try_container root_twice "$BUNDLE/rootfs/data/pid" bind_root
    umount "$BUNDLE/rootfs"
}

for name in $("$CONDITION" --list); do tree_condition "$name"; done
for name in io_uring unix_pair unix_half unix_outside tcp_outside tcp_both_ends nested_net nested_uts shared_segment \
    message_queue terminal_outside terminal_inside watch memory_file namespace_file traced lock_shared deleted_file; do
    container_condition "$name"
done
for type in bpf hugetlbfs ramfs; do mount_condition "mount_$type" "$type"; done
root_twice_condition
for name in watch_file watch_deleted fanotify; do
    overlay_condition "$name"
    overlay_condition "$name" volume
done

echo "conditions: $CONDITIONS, blocked: $BLOCKED, agreed: $AGREED, false alarms: $FALSE_ALARMS, missed: $MISSED; this machine can't make: ${ABSENT[*]:-}"
check_eq "$FALSE_ALARMS $MISSED" "0 0" "false alarms and missed blockers"
check_ge "$BLOCKED" 35 "number of blockers"
assert_no_leftovers
