#!/usr/bin/env bash
# own_place.sh TEST [ARGUMENT...]: runs a test script in a network namespace of its own, with nothing but loopback, and
# with a /run of its own, on a tmpfs as that of most hosts: there CRIU keeps what it has found out about the kernel
# (criu.kdat), instead of trying it all out again each time.
set -euo pipefail

# It says itself that it needs root.
[ "$(id -u)" = 0 ] || exec bash "$@"
# A file that was opened before is on a mount that nobody sees in there.
exec unshare --net --mount bash -c '
    PATH=$PATH:/usr/sbin:/sbin
    ip link set lo up
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -m 1777 /run/lock
    for fd in /proc/$$/fd/*; do
        [ "${fd##*/}" -le 2 ] || eval "exec ${fd##*/}>&-"
    done
    exec </dev/null
    exec bash "$@"' own_place "$@"
