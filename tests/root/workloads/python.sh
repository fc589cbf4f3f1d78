# Debian's python3 with threads, timers, a full pipe, epoll, signalfd, inotify and eventfd.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

workload_setup() {
    python_bundle everything.py /data
    status_start
}

workload_work() { status_work; }
workload_state() { cat "$STATUS"; }

workload_verify() { # EXPECTED
    local key
    for key in main timerfd itimer timer_thread epoll eventfd pipe thread{0..7}; do status_goes_on "$key" "$1"; done
    check_eq "$(status_field errors)" none "what is broken"
    status_same "$1" work signalfd nonce inotify
    # Is the watch still one? The event is part of a later state, not of EXPECTED.
    : >"$BUNDLE/rootfs/data/event"
    wait_for 10 "an inotify event" status_differs inotify "$(field inotify "$1")"
}

workload_teardown() { rc delete --force "$ID"; }
