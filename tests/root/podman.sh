# Sourced after common.sh: a podman of this test's own, with storage and networks of its own, and an
# image of busybox that needs no registry. PODMAN_TARGETS: which of tests/targets are in it as well; PODMAN_RUNTIME: what
# runs its containers (runc).
# shellcheck shell=bash
need podman conmon busybox iptables-save

: "${PODMAN:=$WORK/engine}" "${PODMAN_RUNTIME:=runc}"
export CONTAINERS_CONF=$PODMAN/containers.conf CONTAINERS_STORAGE_CONF=$PODMAN/storage.conf
mkdir -p "$PODMAN"/{image/bin,networks,tmp}
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$PODMAN/root"
runroot = "$PODMAN/run"
CONF
# Without CAP_SYS_RESOURCE podman can't raise limits.
cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
runtime = "$PODMAN_RUNTIME"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$PODMAN/tmp"
[engine.runtimes]
$PODMAN_RUNTIME = ["$(command -v "$PODMAN_RUNTIME")"]
[network]
network_backend = "netavark"
network_config_dir = "$PODMAN/networks"
CONF
cat >"$REGISTRY/undo.podman" <<UNDO
export CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF
podman pod rm --all --force --time 0
podman rm --all --force --time 0
podman volume rm --all --force
podman network rm net-$RUN
# conmon has podman clean up once more.
while pgrep -f -- "$PODMAN/" >/dev/null; do sleep 0.05; done
# netavark's chains outlive its networks.
$(iptables-save | grep -q NETAVARK || echo "iptables-save | grep -v NETAVARK | iptables-restore")
$(for table in filter nat; do nft list table ip $table >/dev/null 2>&1 || echo "nft delete table ip $table"; done)
find /sys/fs/cgroup -depth -type d -path '*/stasis-$RUN*' -exec rmdir {} \;
UNDO

cp "$(command -v busybox)" "$PODMAN/image/bin/"
for name in sh cat cp cut mv sleep nc ip; do ln -s busybox "$PODMAN/image/bin/$name"; done
for name in ${PODMAN_TARGETS:-}; do cp "$(target "$name")" "$PODMAN/image/bin/"; done
tar --create --directory "$PODMAN/image" . | podman import --quiet - box >/dev/null

# new_container NAME [OPTION...] -- COMMAND..., of the image $IMAGE
IMAGE=box
new_container() {
    local options=()
    NAME=$1-$RUN
    while shift && [ "$1" != -- ]; do options+=("$1"); done
    podman run --detach --name "$NAME" --cgroup-parent "/stasis-$RUN" "${options[@]}" "$IMAGE" "${@:2}" >/dev/null
}

pod_field() { podman container inspect --format "{{$1}}" "$NAME"; }
pod_status() { pod_field .State.Status; }
in_pod() { podman exec "$NAME" "$@"; }

# What a container of these tests does: it counts in its /dev/shm, its root and its volume.
# shellcheck disable=SC2034  # of those who source this
COUNT_EVERYWHERE='i=0; while :; do i=$((i+1))
    for file in /dev/shm/count /count /data/count; do echo $i >$file.new; mv $file.new $file; done
    sleep 0.05
done'
# From its layer: to have podman read a file takes as long as a snapshot.
LAYER='' LAYER_OF=
find_layer() {
    [ "$LAYER_OF" = "$NAME" ] && [ -e "$LAYER/count" ] || LAYER=$(pod_field .GraphDriver.Data.UpperDir) LAYER_OF=$NAME
}
count() { find_layer && cat "$LAYER/count"; }
counts_beyond() { find_layer && [ "$(<"$LAYER/count")" -gt "$1" ]; }
