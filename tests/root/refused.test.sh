#!/usr/bin/env bash
# Containers of engines that stasis does not restore: recognised by their name, and refused before anything is
# touched, with what to do instead. The engines' files are made up: none of their daemons runs here.
. "$(dirname "$0")/common.sh"

ID=4f2a90bd1c3e

# Their folders, in a mount namespace of this command's own.
# shellcheck disable=SC2016
among_engines() {
    unshare --mount --propagation private bash -c '
        mkdir -p /run /var/lib
        mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib
        tasks=/run/containerd/io.containerd.runtime.v2.task
        mkdir -p /run/crun/web1 /run/crun/both "$tasks"/{k8s.io/web2,k8s.io/both,moby/'$ID'} /var/lib/docker/containers/'$ID'
        echo "{\"Name\": \"/web3\"}" >/var/lib/docker/containers/'$ID'/config.v2.json
        mkdir -p /var/lib/lxd/containers /var/lib/incus/containers/web5
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
refuses web1 crun "with runc"
refuses crun:web1 crun "with runc"
refuses web2 containerd "podman or runc"
refuses containerd:web2 containerd "podman or runc"
refuses web3 docker "podman or runc"
refuses "docker:${ID:0:6}" docker "podman or runc"
refuses web4 LXD "lxc stop --stateful"
refuses lxd:web4 LXD "lxc snapshot --stateful"
refuses web5 Incus "incus stop --stateful"
refuses incus:web5 Incus "incus snapshot create --stateful"

echo "== a name that two engines have"
expect_exit 2 among_engines snapshot both
[[ $ERR == *"crun:both or containerd:both"* ]] || fail "no choices: $ERR"

echo "== a name that none has"
expect_exit 4 among_engines snapshot docker:web1
assert_no_leftovers
