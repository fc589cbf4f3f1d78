# Sourced by every test of the command line: a private store, a CRIU that only plays
# (tests/fake_criu), checks, and a cleanup that happens whatever becomes of the test.
#
# From the environment: STASIS (the tool), FAKE_CRIU.
# Exit code 77 says that this machine can't run the test, and prints why.
# shellcheck shell=bash

set -Eeuo pipefail
export LC_ALL=C
unset STASIS_STORE CRIU_CONFIG_FILE
trap 'echo "failed: ${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND" >&2' ERR

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip_machine() {
    echo "SKIP-MACHINE: $*"
    exit 77
}

need_root() { [ "$(id -u)" = 0 ] || skip_machine "not root"; }

[ -x "${STASIS:?names the tool to test}" ] || fail "no stasis at $STASIS"
[ -x "${FAKE_CRIU:?names the CRIU that plays}" ] || fail "no fake CRIU at $FAKE_CRIU"
PYTHON=/usr/bin/python3 # a `python3` from PATH may be some version manager's shim
export STASIS_CRIU=$FAKE_CRIU FAKE_CRIU_SCRIPT='' FAKE_CRIU_TRACE

WORK=$(mktemp -d "${TMPDIR:-/tmp}/stasis-cli.XXXXXX")
chmod 0711 "$WORK" # other users must reach what some tests put there
STORE=$WORK/store
FAKE_CRIU_TRACE=$WORK/trace
STARTED=()
on_exit() {
    local status=$? pid
    set +e
    trap - ERR
    for pid in "${STARTED[@]}"; do
        kill -KILL "$pid" 2>/dev/null
        rm -f "/run/stasis/pid/$pid.lock"
    done
    if [ $status = 0 ] || [ $status = 77 ]; then
        rm -rf "$WORK"
    else
        echo "kept for a look: $WORK" >&2
    fi
    exit $status
}
trap on_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

stasis() { "$STASIS" --store "$STORE" "$@"; }

# expect CODE COMMAND...: leaves the command's output in $OUT and $ERR.
expect() {
    local expected=$1 code=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
    OUT=$(<"$WORK/out") ERR=$(<"$WORK/err")
    [ "$code" = "$expected" ] || fail "exit code $code, expected $expected: $* (CRIU plays '$FAKE_CRIU_SCRIPT')
--- stdout
$OUT
--- stderr
$ERR"
}

check_eq() { # ACTUAL EXPECTED WHAT
    [ "$1" = "$2" ] || fail "$3:
--- expected
$2
--- got
$1"
}
check_has() { # TEXT PART
    [[ $1 == *"$2"* ]] || fail "no '$2' in:
$1"
}
check_hasnt() { # TEXT PART
    [[ $1 != *"$2"* ]] || fail "'$2' in:
$1"
}
check_like() { # TEXT REGULAR-EXPRESSION
    [[ $1 =~ ^$2$ ]] || fail "not like '$2':
$1"
}

# fails CODE STDERR COMMAND...: nothing on standard output, exactly this on standard error.
fails() {
    local code=$1 text=$2
    shift 2
    expect "$code" "$@"
    check_eq "$OUT" "" "standard output of $*"
    check_eq "$ERR" "$text" "standard error of $*"
}

# works COMMAND...: nothing on standard error.
works() {
    expect 0 "$@"
    check_eq "$ERR" "" "standard error of $*"
}

# CTest's own files are none of ours, and must not be seen in what we start.
for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" -eq 255 ] || eval "exec $fd>&-"
done

# start_target: a process of its own session, with nothing of ours open. Its pid in $T.
start_target() {
    setsid sleep 600 </dev/null >/dev/null 2>&1 &
    T=$!
    STARTED+=("$T")
    disown "$T" # the shell need not say when it ends
    until [ "$(cat "/proc/$T/comm")" = sleep ]; do :; done
}
is_alive() { [[ $(cat "/proc/$1/stat" 2>/dev/null || true) =~ \)\ [RSD]\  ]]; }

script() { FAKE_CRIU_SCRIPT=$*; } # what the fake CRIU is to play
forget_trace() { : >"$FAKE_CRIU_TRACE"; }

# json EXPRESSION: a Python expression over the document `d` that the last command printed.
json() { "$PYTHON" -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$WORK/out" "$1"; }

# The names in a target's folder of the store, on one line.
names() { (cd "$STORE/pid/$T" && echo ./* | sed 's,\./,,g'); }

# no_checkpoint: a failed dump left its log, and nothing that looks like a checkpoint.
only_failure_left() {
    local failed=("$STORE/pid/$T"/failed-*)
    [ ${#failed[@]} = 1 ] || fail "not one folder of a failure: $(names)"
    check_eq "$(names)" "${failed[0]##*/} lock" "what a failure leaves"
    check_eq "$(ls "${failed[0]}")" logs "what a failure keeps"
    works stasis list "pid:$T"
    check_eq "$OUT" "TARGET  CHECKPOINT  KIND  CREATED  SIZE  STATE" "list after a failure"
}
