# Sourced after common.sh and bundle.sh by the fault tests: one target that counts, faults that strike
# stasis or the real CRIU at a chosen moment (fault_criu.py), and what must be true after each.
# shellcheck shell=bash

FAULTS=0
FAULT_FOLDER=$WORK/fault
export FAULT_LOG=$FAULT_FOLDER/log FAULT_CRIU
FAULT_CRIU=$(command -v criu)
mkdir "$FAULT_FOLDER"
cp "$TESTS_DIR/fault_criu.py" "$FAULT_FOLDER/criu"

# runc_target: a container that counts, of $RUNTIME. Sets $TARGET, $ID, $COUNTERS and $NONCE.
runc_target() {
    ID=$(unique_id fault) BUNDLE=$WORK/$ID.bundle
    TARGET=$RUNTIME:$ID COUNTERS=("$BUNDLE/rootfs/status")
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" counter
    bundle_args "$BUNDLE" /bin/counter /status
    start_container "$ID" "$BUNDLE"
    wait_for 30 "the status of $ID" test -s "${COUNTERS[0]}"
    NONCE=$(field nonce "$(<"${COUNTERS[0]}")")
}

# tree_target: a shell with two children that count. Sets $TARGET, $TREE (pids), $COUNTERS and $NONCE.
tree_target() {
    local counter
    counter=$(target counter)
    COUNTERS=("$WORK/tree.1" "$WORK/tree.2")
    rm -f "${COUNTERS[@]}"
    in_background setsid /bin/sh -c '"$1" "$2" & "$1" "$3" & wait' sh "$counter" "${COUNTERS[@]}"
    ID='' TARGET=pid:$BACKGROUND TREE=("$BACKGROUND")
    wait_for 30 "the status of $TARGET" test -s "${COUNTERS[0]}" -a -s "${COUNTERS[1]}"
    # shellcheck disable=SC2207
    TREE+=($(pgrep -P "$BACKGROUND"))
    track_tree
    NONCE=$(field nonce "$(<"${COUNTERS[0]}")")
}

track_tree() {
    local pid identity
    TREE_IDENTITIES=()
    for pid in "${TREE[@]}"; do
        identity=$(process_identity "$pid") || continue
        echo "$identity" >>"$REGISTRY/pids"
        TREE_IDENTITIES+=("$identity")
    done
}

# What lives on of it would count in the next one's files.
end_tree() {
    local identity
    for identity in "${TREE_IDENTITIES[@]}"; do kill_identity "$identity"; done
}

target_pids() { if [ -n "$ID" ]; then container_tasks "$ID"; else printf '%s\n' "${TREE[@]}"; fi; }

target_alive() {
    if [ -n "$ID" ]; then container_runs "$ID"; else process_identity "${TREE[0]}" >/dev/null; fi
}

counter_of() { field counter "$(<"$1")"; }
count() { counter_of "${COUNTERS[0]}"; }
counter_is_not() { [ "$(counter_of "$1")" != "$2" ]; }

# Goes on, all of it, from no earlier than LEAST; nothing stopped, frozen, or started anew.
assert_runs() { # LEAST
    local pid file
    for file in "${COUNTERS[@]}"; do
        wait_for 10 "$TARGET to count in $file" counter_is_not "$file" "$(counter_of "$file")"
    done
    check_ge "$(count)" "$1" "counter of $TARGET"
    check_eq "$(field nonce "$(<"${COUNTERS[0]}")")" "$NONCE" "nonce of $TARGET"
    # CRIU itself is in the container's cgroup for a moment after a restore.
    wait_for 10 "nothing but the tasks of $TARGET" only_its_tasks
    for pid in $(target_pids); do
        wait_for 5 "task $pid to be neither stopped nor traced: $(head -n 9 "/proc/$pid/status" 2>/dev/null | tr '\n' ' ')" is_let_go "$pid"
    done
}

only_its_tasks() {
    if [ -n "$ID" ]; then
        has_one_task "$ID"
    else
        [ "$(pgrep -f "$WORK/tree" | sort | xargs)" = "$(printf '%s\n' "${TREE[@]}" | sort | xargs)" ]
    fi
}

is_let_go() { # PID
    local status
    status=$(cat "/proc/$1/status" 2>/dev/null) || return 0
    [[ ! $status =~ State:.[tTD] && $status =~ TracerPid:.0 ]]
}

# with_fault AT [NAME=VALUE...] -- ARG...: runs stasis with a fault; its exit code is in $CODE.
with_fault() {
    local at=$1 settings=()
    shift
    while [ "$1" != -- ]; do settings+=("$1") && shift; done
    shift
    FAULTS=$((FAULTS + 1)) WHERE=$at VICTIM="${settings[*]/#FAULT_*=/}"
    rm -f "$FAULT_LOG"*
    CODE=0
    (
        trap - ERR
        export STASIS_CRIU=$FAULT_FOLDER/criu FAULT_AT=$at "${settings[@]}"
        stasis "$@"
    ) >"$WORK/out" 2>"$WORK/err" </dev/null || CODE=$?
    OUT=$(<"$WORK/out") ERR=$(<"$WORK/err")
    [ "$at" = never ] || grep -qx fired "$FAULT_LOG" || fail "nothing happened at $at: stasis $*
$(cat "$FAULT_LOG")
--- stderr
$ERR"
    # CRIU still has to roll back where stasis alone is dead.
    wait_for 30 "the end of what the struck run started" no_processes_of_fault
}

# died_with_criu VICTIM AT: a CRIU that is killed while it works on a task from within, which begins here, may
# take the task along: nobody can help that, but the exit code must say so. Then there is a new target.
died_with_criu() {
    [ "$1:$2" = criu:query-ext-files:done ] && [ "$CODE" = 7 ] && ! target_alive || return 1
    fault_says "the target died with CRIU"
    # No next success of that one clears away the logs of this failure.
    rm -rf "${STASIS_STORE:?}/${TARGET/://}"
    if [ -n "$ID" ]; then rc delete --force "$ID" && runc_target; else end_tree && tree_target; fi
}

no_processes_of_fault() { [ -z "$(run_processes 'criu|stasis|rsync|[rc]run.*|nft')" ]; }

fault_says() { # OUTCOME
    local why=
    [ "$CODE" = 0 ] || why=" (exit code $CODE)"
    echo "fault $FAULTS: ${KIND:-${TARGET%%:*}} $VICTIM at $WHERE: $1$why"
}

# What the store has of the target, a line each: NAME STATE KIND.
checkpoints() {
    stasis --json list "$TARGET" | "$PYTHON" -c '
import json, sys
for c in json.load(sys.stdin)["checkpoints"]: print(c["checkpoint"], c["state"], c["kind"])'
}

state_of() { awk -v name="$1" '$1 == name { print $2 }' <<<"$(checkpoints)"; }
newest_stop() { awk '$2 == "sealed" && $3 == "stop" { name = $1 } END { print name }' <<<"$(checkpoints)"; }

# Whatever claims to be whole is whole, and nothing lies about being written.
assert_store() {
    local name state kind
    while read -r name state kind; do
        case $state in
            '') ;;
            sealed) expect_exit 0 stasis verify "$TARGET" "$name" ;;
            interrupted) ;;
            *) fail "'$name' ($kind) is $state" ;;
        esac
    done <<<"$(checkpoints)"
}

# The next run finds everything in order, and clears away what the struck one left.
assert_next_snapshot() {
    expect_exit 0 stasis snapshot "$TARGET" next
    assert_no_leftovers
    expect_exit 0 stasis verify "$TARGET" next
    check_eq "$(find "$STASIS_STORE" -name '*.partial' -o -name 'failed-*')" "" "remains of the fault"
    expect_exit 0 stasis delete "$TARGET" next
}

# Deletes all checkpoints but KEEP.
forget_checkpoints() { # [KEEP]
    local name state kind
    while read -r name state kind; do
        [ -z "$name" ] || [ "$name" = "${1:-}" ] || expect_exit 0 stasis delete "$TARGET" "$name"
    done <<<"$(checkpoints)"
}

faults_total() { # LEAST
    echo "faults in all: $FAULTS"
    check_ge "$FAULTS" "$1" "number of faults"
}

REAL_STORE=$STASIS_STORE
SMALL=$WORK/small

# For one fault the store is a file system of its own, of SIZE, which $fill fills up.
small_store() { # SIZE
    mkdir -p "$SMALL"
    mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$SMALL"
    STASIS_STORE=$SMALL/store
}

no_small_store() {
    ! mountpoint -q "$SMALL" || umount "$SMALL"
    rm -rf --one-file-system "$SMALL" # where it was unmounted, the next run wrote into the folder below
    STASIS_STORE=$REAL_STORE
}

fill="head -c 100M /dev/zero >$SMALL/filler || true"

# moments POINT...: POINT:asked and :done of notifications, the only one of `start` and `end`. Whether an answer was given
# that nobody has read matters where it seals a state: in `post-dump`, which is :answered as well.
moments() {
    local point
    for point in "$@"; do
        case $point in
            start | end) echo "$point:asked" ;;
            post-dump) echo "$point:asked" "$point:answered" "$point:done" ;;
            *) echo "$point:asked" "$point:done" ;;
        esac
    done
}
