#!/usr/bin/env bash
# The memory of a snapshot goes through stasis, which writes it when the target runs again: all of it arrives, however
# little is held, and whoever dies in the middle.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/workloads/memory.sh"

ID=$(unique_id buffer)
export WORKLOAD_MEMORY_MB=192
workload_setup
workload_work

images_of() { find "$STASIS_STORE/runc/$ID/$1/images" -name "$2" | wc -l; }
thawed() { [[ $(sed -n 's/^State:\t//p' "/proc/$(container_pid "$ID")/status") == [RS]* ]]; }

echo "== whatever the size of the buffer, the images are the same"
for limit in 1G:192:1024 16M:1:16 1M:1:1 0:0:0; do
    IFS=: read -r size least most <<<"$limit"
    expect_exit 0 stasis --json snapshot "runc:$ID" "s$size" --full --buffer "$size"
    held=$(("$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["buffer_bytes"])' <<<"$OUT")" >> 20))
    check_ge "$held" "$least" "MiB held, buffer $size"
    check_ge "$most" "$held" "MiB allowed, buffer $size"
    check_ge "$(images_of "s$size" 'pages-*.img')" 1 "files with pages, buffer $size"
    expect_exit 0 stasis verify "runc:$ID" "s$size"
done
check_eq "$(images_of s16M 'pagemap-*.img')" "$(images_of s0 'pagemap-*.img')" "pagemaps with and without a buffer"
for size in 1G 16M 1M; do
    workload_work
    past=$(workload_state)
    stasis snapshot "runc:$ID" "now$size" --full --buffer "$size"
    workload_work
    stasis restore "runc:$ID" "now$size" --replace
    workload_verify "$past"
done
expect_exit 2 stasis snapshot "runc:$ID" --buffer much

echo "== no more is held than stasis's own control group allows"
limited() { # BYTES COMMAND...
    local group=/sys/fs/cgroup/$RUN limit=memory.max
    if [ -d /sys/fs/cgroup/memory ]; then
        group=/sys/fs/cgroup/memory/$RUN limit=memory.limit_in_bytes
    else
        echo +memory >/sys/fs/cgroup/cgroup.subtree_control
    fi
    mkdir -p "$group"
    echo "rmdir $group" >"$REGISTRY/undo.limited"
    echo "$1" >"$group/$limit"
    bash -c 'echo $$ >"$1/cgroup.procs" && exec "${@:2}"' limited "$group" "${@:2}"
}
expect_exit 0 limited 150M "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" --json \
    snapshot "runc:$ID" limited --full
held=$(("$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["buffer_bytes"])' <<<"$OUT")" >> 20))
check_ge "$held" 1 "MiB held"
check_ge 75 "$held" "MiB allowed"
expect_exit 0 stasis verify "runc:$ID" limited

echo "== several at once share it"
declare -A OTHERS=()
memory_of() { field work "$(<"$WORK/$1/rootfs/status")"; }
worked() { [ -s "$WORK/$1/rootfs/status" ] && [ "$(memory_of "$1")" = "$2" ]; }
for name in one two; do
    OTHERS[$name]=$(unique_id "$name")
    make_bundle "$WORK/$name"
    bundle_add_target "$WORK/$name" memory
    bundle_args "$WORK/$name" /bin/memory /status 96 1
    start_container "${OTHERS[$name]}" "$WORK/$name"
    wait_for 30 "its memory" worked "$name" 0
    stasis snapshot "runc:${OTHERS[$name]}" before
    rc kill "${OTHERS[$name]}" USR1
    wait_for 30 "other memory" worked "$name" 1
done
expect_exit 0 limited 150M "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" --json \
    stateful-stop --all --exclude "$ID" --jobs 2
held=$(("$("$PYTHON" -c 'import json, sys; print(sum(r["buffer_bytes"] for r in json.load(sys.stdin)))' <<<"$OUT")" >> 20))
check_ge "$held" 2 "MiB held by both"
check_ge 75 "$held" "MiB allowed for both"
for name in one two; do expect_exit 0 stasis verify "runc:${OTHERS[$name]}"; done

# The dump with its pages on their way: CRIU says in its log when it begins to send.
sends_pages() { grep -qs 'Dumping pages\|page-xfer\|Transferring pages' "$STASIS_STORE/runc/$ID"/*.partial/logs/dump.log; }

# strike VICTIM: in the middle of the pages; a MiB at a time takes long enough.
strike() {
    local victim
    in_background "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" snapshot "runc:$ID" struck --full --buffer 1M
    wait_for 20 "pages on their way" sends_pages
    victim=$BACKGROUND
    [ "$1" = stasis ] || victim=$(pgrep -P "$BACKGROUND" -x criu)
    kill -KILL "$victim"
}

for victim in stasis criu; do
    echo "== $victim is killed while pages are on their way"
    past=$(workload_state)
    strike "$victim"
    wait_for 60 "the end of all that was at work" no_tools_left
    wait_for 10 "the container to go on" thawed
    workload_verify "$past"
    [ ! -e "$STASIS_STORE/runc/$ID/struck" ] || fail "a broken snapshot looks whole"
    stasis snapshot "runc:$ID" "after-$victim"
    expect_exit 0 stasis verify "runc:$ID" "after-$victim"
    check_eq "$(find "$STASIS_STORE" -name '*.partial')" "" "remains"
done

echo "== no space while the container runs again"
mkdir "$WORK/small"
mount -t tmpfs -o size=64M,mode=0700 tmpfs "$WORK/small"
past=$(workload_state)
code=0
STASIS_STORE=$WORK/small/store stasis snapshot "runc:$ID" full --ignore-blockers >"$WORK/out" 2>"$WORK/err" || code=$?
check_eq "$code" 1 "exit code of a snapshot into a full store ($(<"$WORK/err"))"
grep -q "has no space left" "$WORK/err" || fail "the cause is not named: $(<"$WORK/err")"
umount "$WORK/small"
wait_for 10 "the container to go on" thawed
workload_verify "$past"
workload_teardown
assert_no_leftovers
