#!/usr/bin/env bash
# Containers of engines that stasis does not restore: recognised by their name, and refused before anything is
# touched, with what to do instead. The engines' files are made up: none of their daemons runs here.
. "$(dirname "$0")/common.sh"

# Their folders, in a mount namespace of this command's own.
# shellcheck disable=SC2016
among_engines() {
    unshare --mount --propagation private bash -c '
        mkdir -p /run /var/lib
        mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib
        mkdir -p /var/lib/{lxd,incus}/containers/both /var/lib/incus/containers/web5
        # As LXD has it: a link into a storage pool, which may be unmounted.
        ln -s /var/lib/lxd/storage-pools/elsewhere/containers/web4 /var/lib/lxd/containers/web4
        exec "$@"' bash "$STASIS" --store "$STASIS_STORE" "$@"
}

refuses() { # TARGET ENGINE WORD-OF-THE-REMEDY
    local command
    for command in snapshot stateful-stop check; do
        expect_exit 1 among_engines "$command" "$1"
        [[ $ERR == *"$2"* && $ERR == *"$3"* ]] || fail "$command $1: no cause or no remedy: $ERR"
    done
    [ -z "$(find "$STASIS_STORE" -name '*.partial' -o -name manifest.json 2>/dev/null)" ] || fail "something was written for $1"
}

echo "== each by its bare name, and with its engine's"
refuses web4 LXD "lxc stop --stateful"
refuses lxd:web4 LXD "lxc snapshot --stateful"
refuses web5 Incus "incus stop --stateful"
refuses incus:web5 Incus "incus snapshot create --stateful"

echo "== a name that two engines have"
expect_exit 2 among_engines snapshot both
[[ $ERR == *"lxd:both or incus:both"* ]] || fail "no choices: $ERR"

echo "== a name that none has"
expect_exit 4 among_engines snapshot lxd:web5
assert_no_leftovers
