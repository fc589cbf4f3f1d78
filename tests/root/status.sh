# Sourced after bundle.sh by workloads whose first process keeps replacing a line of `key=value`
# words, $STATUS, and takes SIGUSR1 as one piece of work.
# shellcheck shell=bash

status_field() { field "$1" "$(<"$STATUS")"; }
status_differs() { [ "$(status_field "$1")" != "$2" ]; }
status_at_least() { [ "$(status_field "$1")" -ge "$2" ]; }

# status_bundle PROGRAM ARG...: a bundle in $BUNDLE with one of tests/targets as its first process.
status_bundle() {
    BUNDLE=$WORK/$ID.bundle STATUS=$BUNDLE/rootfs/status
    make_bundle "$BUNDLE"
    bundle_add_target "$BUNDLE" "$1"
    bundle_args "$BUNDLE" "/bin/$1" "${@:2}"
}

# python_bundle SCRIPT ARG...: a bundle in $BUNDLE with one of tests/targets' scripts, which keeps its line in $STATUS.
python_bundle() {
    local python
    BUNDLE=$WORK/$ID.bundle STATUS=$BUNDLE/rootfs/status
    python=$(readlink -f "$PYTHON")
    [[ $python == /usr/bin/python3.* ]] || skip_machine "$PYTHON is not Debian's python3"
    make_bundle "$BUNDLE"
    bundle_add_program "$BUNDLE" "$python" "/usr/lib/${python##*/}"/lib-dynload/_ctypes.*.so
    mkdir -p "$BUNDLE/rootfs/usr/lib/${python##*/}"
    tar -C "/usr/lib/${python##*/}" --exclude=test --exclude=__pycache__ --exclude='config-*' -c . |
        tar -C "$BUNDLE/rootfs/usr/lib/${python##*/}" -x
    cp "$TESTS_DIR/../targets/$1" "$BUNDLE/rootfs/"
    bundle_args "$BUNDLE" "$python" -u "/$1" /status "${@:2}"
}

status_start() {
    start_container "$ID" "$BUNDLE"
    wait_for 30 "the status of $ID" test -s "$STATUS"
}

status_work() {
    local target
    target=$(($(status_field work) + 1))
    kill -USR1 "$(container_pid "$ID")"
    wait_for 30 "work $target" status_at_least work "$target"
}

# status_goes_on KEY EXPECTED: the number still grows (the file alone proves nothing: it must be
# written anew), and from where it was in the text EXPECTED.
status_goes_on() {
    wait_for 10 "$1 of $ID to change" status_differs "$1" "$(status_field "$1")"
    check_ge "$(status_field "$1")" "$(field "$1" "$2")" "$1"
}

status_same() { # EXPECTED KEY...
    local key
    for key in "${@:2}"; do check_eq "$(status_field "$key")" "$(field "$key" "$1")" "$key"; done
}
