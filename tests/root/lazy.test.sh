#!/usr/bin/env bash
# restore --lazy: the target runs before its memory is there, and never without it. What loads it is held or killed
# half way, as is stasis. `chained`: most of the memory lies in an earlier checkpoint, and comes by a page server.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/status.sh"

MEGABYTES=768
json() { "$PYTHON" -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1" <<<"$OUT"; }
target_pid() { if [ -n "$ID" ]; then container_pid "$ID"; else echo "${TARGET#pid:}"; fi; }
is_gone() {
    if [ -n "$ID" ]; then
        ! container_runs "$ID" && [ -z "$(container_tasks "$ID")" ]
    else
        ! process_identity "${TARGET#pid:}" >/dev/null
    fi
}
tell() { kill "-$1" "$(target_pid)"; }
no_loader() { [ -z "$(run_processes criu)$(run_processes stasis)" ]; }
written_since() { [ "$(stat -c '%i %z' "$STATUS")" != "$1" ]; }
sum() { # reads all its memory
    local before
    before=$(stat -c '%i %z' "$STATUS") # a tree's file is the host's, and no restore takes its count back
    tell USR2
    wait_for 60 "a new checksum" written_since "$before"
    status_field sum
}

# half_way SIGNAL ARG...: begins a lazy restore ($RESTORE) and, when a part of the memory is there, signals what loads
# it ($LOADER), or, where $HIT is serve-pages, where that gets it from.
half_way() {
    local signal=$1
    shift
    rm -f "$WORK/status"
    # A shell of its own tells the exit status.
    # shellcheck disable=SC2016
    in_background bash -c '"$@" >"$0/out" 2>"$0/err"; echo $? >"$0/status"' "$WORK" \
        "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" --json restore "$TARGET" --lazy "$@"
    LOADER=$("$PYTHON" - "$BACKGROUND" "$signal" "${HIT:-lazy-pages}" "$WORK" <<'PYTHON'
import os, signal, sys, time
above, number, hit, work = int(sys.argv[1]), getattr(signal, "SIG" + sys.argv[2]), sys.argv[3], sys.argv[4]
end = time.monotonic() + 30
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # half a second is all there may be to see it in

def children(pid):
    return [int(child) for task in os.listdir(f"/proc/{pid}/task")
            for child in open(f"/proc/{pid}/task/{task}/children").read().split()]

def loaders():
    found = {}
    for stasis in children(above):
        for child in children(stasis):
            for name in "lazy-pages", "serve-pages":
                if f"\0{name}\0".encode() in open(f"/proc/{child}/cmdline", "rb").read():
                    found[name] = child
    return found

def bytes_read(pid):
    return int(open(f"/proc/{pid}/io").read().split()[1])

while time.monotonic() < end:
    try:
        if os.path.exists(work + "/status"):
            sys.exit("the restore ended before its loader was met: " + open(work + "/err").read())
        found = loaders()
        if hit not in found or max(map(bytes_read, found.values())) < 256 << 20:
            time.sleep(0.001)
            continue
        os.kill(found[hit], number)
        print(found[hit])
        sys.exit()
    except (FileNotFoundError, ProcessLookupError):
        continue
sys.exit("the loader was not met half way")
PYTHON
    )
    track_pid "$BACKGROUND"
    RESTORE=$(pgrep -P "$BACKGROUND" -x stasis || true)
}
restore_ended() { [ -s "$WORK/status" ]; }
restore_result() { # EXPECTED: of the restore that half_way began, into $OUT and $ERR
    wait_for 120 "the end of the restore" restore_ended
    OUT=$(<"$WORK/out") ERR=$(<"$WORK/err")
    check_eq "$(<"$WORK/status")" "$1" "exit status of the restore: $ERR"
    if [ -z "$ID" ]; then track_pid "${TARGET#pid:}" || true; fi
}
# Its runtime may be the first to meet it dead.
says_what_became_of_it() {
    [[ $ERR =~ "can't be brought, so it was killed"|"ended right after it was restored" ]] || fail "it does not say so: $ERR"
}
assert_held() {
    expect_exit 5 stasis snapshot "$TARGET"
    [[ $ERR == *"another run of stasis"* ]] || fail "why is it busy: $ERR"
}
stop_target() { stasis stateful-stop "$TARGET" >/dev/null; }
newest() { OUT=$(stasis --json list "$TARGET") json 'd["checkpoints"][-1]["checkpoint"]'; }

# memory_target KIND: the memory of a container or of a tree with a shell above it.
memory_target() {
    if [ "$1" != pid ]; then
        ID=$(unique_id "$1") TARGET=runc:$ID
        status_bundle memory /status $MEGABYTES
        status_start
    else
        ID='' STATUS=$WORK/tree.status
        in_background setsid "$(target memory)" "$STATUS" $MEGABYTES
        TARGET=pid:$BACKGROUND
        wait_for 30 "the status of $TARGET" test -s "$STATUS"
    fi
}

for kind in runc pid chained; do
    memory_target $kind
    SUM=$(sum)
    if [ $kind = chained ]; then stasis snapshot "$TARGET" >/dev/null; fi # which has most of the stop's memory
    stop_target
    STOP=$(newest)
    expect_exit 0 stasis restore "$TARGET" "$STOP"
    [ -n "$ID" ] || track_pid "${TARGET#pid:}"
    tell USR1
    wait_for 30 "the work" status_at_least work 1
    SUM_AFTER_WORK=$(sum)
    [ "$SUM" != "$SUM_AFTER_WORK" ] || fail "the work changes nothing"

    echo "== $kind: it runs before its memory is there, and all of it comes"
    expect_exit 0 stasis --json restore "$TARGET" "$STOP" --lazy --replace
    [ -n "$ID" ] || track_pid "${TARGET#pid:}"
    check_eq "$(json 'd["lazy"], d["running_us"] < d["total_us"], d["warnings"]')" "(True, True, [])" "--lazy --json"
    check_eq "$(sum)" "$SUM" "the checksum"
    no_loader || fail "what loaded the memory has not ended"

    echo "== $kind: what it writes meanwhile stays; nobody else may have it; signals must wait"
    half_way STOP "$STOP" --replace --no-verify
    ! is_gone || fail "it does not run while its memory is on the way"
    assert_held
    tell USR1
    kill -TERM "$RESTORE" "$LOADER"
    kill -INT "$RESTORE"
    wait_for 10 "the word that it goes on" grep -q "can't be left without" "$WORK/err"
    kill -CONT "$LOADER"
    restore_result 0
    wait_for 60 "the work" status_at_least work 1
    check_eq "$(sum)" "$SUM_AFTER_WORK" "the checksum after work while it was loaded"

    if [ $kind = chained ]; then
        echo "== $kind: what serves its pages dies half way"
        HIT=serve-pages half_way KILL "$STOP" --replace
        restore_result 7
        is_gone || fail "it lives on without its memory"
        says_what_became_of_it
    fi

    hows=("STOP KILL")
    [ $kind != runc ] || hows+=(KILL)
    for how in "${hows[@]}"; do
        echo "== $kind: what loads the memory dies half way ($how): so does the target, before it sees what is missing"
        half_way "${how%% *}" "$STOP" --replace
        if [ "$how" = "STOP KILL" ]; then
            cp "$STATUS" "$WORK/before"
            tell USR2 # it reads all, and waits for what is missing
            kill -KILL "$LOADER"
        fi
        restore_result 7
        says_what_became_of_it
        for part in "signal 9" "again, without --lazy; the checkpoint is unharmed"; do
            [[ $ERR == *"$part"* ]] || fail "it does not say '$part': $ERR"
        done
        is_gone || fail "it lives on without its memory"
        [ "$how" = KILL ] || cmp "$STATUS" "$WORK/before" || fail "it went on: $(<"$STATUS")"
        expect_exit 0 stasis verify "$TARGET" "$STOP"
        expect_exit 0 stasis restore "$TARGET" "$STOP"
        [ -n "$ID" ] || track_pid "${TARGET#pid:}"
        check_eq "$(sum)" "$SUM" "the checksum after an eager restore"
    done

    echo "== $kind: stasis dies half way: the memory comes all the same"
    half_way STOP "$STOP" --replace --no-verify
    kill -KILL "$RESTORE"
    restore_result 137
    assert_held
    kill -CONT "$LOADER"
    wait_for 60 "the end of what loads the memory" no_loader
    check_eq "$(sum)" "$SUM" "the checksum"
    expect_exit 0 stasis snapshot "$TARGET" after
    expect_exit 0 stasis delete "$TARGET" after
    [ -z "$ID" ] || rc delete --force "$ID"
    [ -n "$ID" ] || tell KILL
done
assert_no_leftovers

echo "== forks, remaps, discards while the memory is on the way"
ID=$(unique_id changes) TARGET=runc:$ID
status_bundle changes /status $MEGABYTES
status_start
stop_target
half_way STOP --replace --no-verify
tell USR1
kill -CONT "$LOADER"
restore_result 0
wait_for 60 "the changes" status_differs work 0
check_eq "$(status_field wrong)" 0 "wrong words"

echo "== a task that waits for missing memory never sees what is there instead"
for _ in 1 2 3; do # without the hold it wins this race only sometimes
    half_way STOP --replace --no-verify
    tell USR2
    wait_for 10 "its wait for memory" grep -q '^[SD]' <(cut -d' ' -f3 "/proc/$(target_pid)/stat")
    kill -KILL "$LOADER"
    restore_result 7
    is_gone || fail "it lives on without its memory"
    check_eq "$(<"$STATUS")" "work=0 wrong=0" "what it saw"
done
assert_no_leftovers

echo "== several tasks: one ends while its memory is on the way, the others get theirs"
ID=$(unique_id several) TARGET=runc:$ID
status_bundle memory /status 300
bundle_args "$BUNDLE" /bin/sh -c '/bin/memory /other 300 & /bin/memory /status 300 & wait; wait'
start_container "$ID" "$BUNDLE"
wait_for 30 "both" test -s "$STATUS" -a -s "$BUNDLE/rootfs/other"
SUM=$(status_field sum)
# By their pids inside, which they keep: their command lines are in memory that is not there half way.
inside() { awk '/^NSpid:/ { print $NF }' "/proc/$1/status" 2>/dev/null || true; }
pid_inside() { # NUMBER
    local pid
    for pid in $(container_tasks "$ID"); do if [ "$(inside "$pid")" = "$1" ]; then echo "$pid"; fi; done
}
FIRST=$(inside "$(pgrep -P "$(target_pid)" -f '^/bin/memory /other')")
SECOND=$(inside "$(pgrep -P "$(target_pid)" -f '^/bin/memory /status')")
stop_target
half_way STOP --replace --no-verify
kill -KILL "$(pid_inside "$FIRST")"
MEMORY=$(pid_inside "$SECOND")
kill -CONT "$LOADER"
restore_result 0
target_pid() { echo "$MEMORY"; }
check_eq "$(sum)" "$SUM" "the checksum of the other task"

echo "== where there is no userfaultfd, all memory comes first, and a warning says why"
# without_userfaultfd COMMAND...: a filter of system calls says ENOSYS, as a kernel without it does.
without_userfaultfd() {
    "$PYTHON" - "$@" <<'PYTHON'
import ctypes, os, platform, struct, sys
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ENOSYS = 38, 22, 2, 38
number = {"x86_64": 323, "aarch64": 282}[platform.machine()]
program = b"".join(struct.pack("HBBI", *line) for line in [
    (0x20, 0, 0, 0),                      # load the number of the call
    (0x15, 0, 1, number),                 # userfaultfd?
    (0x06, 0, 0, 0x00050000 | ENOSYS),    # fails
    (0x06, 0, 0, 0x7fff0000)])            # all others work
libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter):
    sys.exit("no filter")
os.execvp(sys.argv[1], sys.argv[1:])
PYTHON
}
ID='' STATUS=$WORK/without
in_background setsid "$(target memory)" "$STATUS" 16
TARGET=pid:$BACKGROUND
target_pid() { echo "${TARGET#pid:}"; }
wait_for 30 "the status of $TARGET" test -s "$STATUS"
SUM=$(sum)
stop_target
expect_exit 0 without_userfaultfd "$STASIS" --store "$STASIS_STORE" --json restore "$TARGET" --lazy
track_pid "${TARGET#pid:}"
check_eq "$(json 'd["lazy"]')" False "restored lazily"
[[ $ERR == *"warning: it can't be restored lazily: the kernel gives no userfaultfd (Function not implemented)"* ]] ||
    fail "it says: $ERR"
check_eq "$(sum)" "$SUM" "the checksum"

echo "== nor where the container's user namespace has no right to it"
if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ]; then
    ID=$(unique_id mapped) TARGET=runc:$ID
    status_bundle counter /data/status
    STATUS=$BUNDLE/rootfs/data/status
    bundle_mapped_ids "$BUNDLE" 0
    status_start
    stop_target
    expect_exit 0 stasis --json restore "$TARGET" --lazy
    check_eq "$(json 'd["lazy"], len(d["warnings"])')" "(False, 1)" "restored lazily, warnings"
    [[ $ERR == *"vm.unprivileged_userfaultfd=0"* ]] || fail "it says: $ERR"
fi
assert_no_leftovers
