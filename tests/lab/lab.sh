# Sourced by every lab test, after which `boot` runs a step in a guest with a kernel of its own.
#
# From the environment: STASIS, TARGETS_DIR, STASIS_CRIU as for the root tests;
# STASIS_LAB_CACHE (where kernels and the guest's userland are kept between runs; /var/cache/stasis-lab);
# STASIS_LAB_ACCEL (QEMU's accelerator; tcg, for a /dev/kvm that is there need not boot a stock kernel).
# shellcheck shell=bash

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/root/common.sh
. "$LAB_DIR/../root/common.sh"
# shellcheck source=tests/root/bundle.sh
. "$TESTS_DIR/bundle.sh"
# shellcheck source=tests/root/redis.sh
. "$TESTS_DIR/redis.sh"
need qemu-system-x86_64

LAB_CACHE=${STASIS_LAB_CACHE:-/var/cache/stasis-lab}
# A guest boots within seconds, but on a machine that has other things to do as well.
BOOT_SECONDS=600

# kernel_release old|new
kernel_release() { cat "$LAB_CACHE/made/$1/release"; }

lab_bundle() { # NAME: leaves its folder in $BUNDLE
    BUNDLE=$WORK/payload/lab/bundles/$1
    mkdir -p "$(dirname "$BUNDLE")"
    make_bundle "$BUNDLE"
}

lab_bundles() {
    lab_bundle counter
    bundle_add_target "$BUNDLE" counter
    bundle_args "$BUNDLE" /bin/counter /status
    lab_bundle volume
    bundle_add_target "$BUNDLE" counter
    bundle_args "$BUNDLE" /bin/counter /data/status
    bundle_set "$BUNDLE" 'c["mounts"].append({"type": "bind", "source": "/lab/volume", "destination": "/data",
                          "options": ["rbind", "rw"]})'
    lab_bundle writer
    bundle_add_target "$BUNDLE" writer
    bundle_args "$BUNDLE" /bin/writer /status 128 2
    BUNDLE=$WORK/payload/lab/bundles/redis
    redis_bundle
    bundle_add_target "$BUNDLE" client
    bundle_args "$BUNDLE" /bin/sh -c \
        "$(command -v redis-server) /etc/redis.conf & exec client redis 127.0.0.1 6379 /status"
}

# What the guest gets besides Debian's packages: stasis with what it brings, its units, the libraries that it loads, CRIU,
# both kernels' configurations, and the containers.
make_payload() {
    local root=$WORK/payload units=$WORK/payload/usr/local/lib/systemd/system file prefix kernel
    mkdir -p "$root/lab/volume"
    install -D -t "$root/usr/local/sbin" "$STASIS"
    install -D -t "$root/usr/local/libexec/stasis" "$(dirname "$STASIS")"/../libexec/stasis/*
    install -D -m 644 -t "$units" "$LAB_DIR"/../../dist/stasis-*.{service,timer} "$LAB_DIR/guest/lab.service"
    # The C library stays the guest's own, which is of the same release.
    for file in $(ldd "$STASIS" | grep -oE '/[^ :]+ \(0x' | cut -d' ' -f1 | grep -vE '/(libc|libm|ld-linux.*)\.so'); do
        install -D -t "$root/usr/local/lib" "$file"
    done
    prefix=$(dirname "$(dirname "$(command -v criu)")")
    if [ "$prefix" = /usr ] || [ ! -d "$prefix/lib" ]; then
        skip_machine "CRIU stands in no prefix of its own (scripts/install-criu)"
    fi
    mkdir -p "$root$prefix"
    cp -a "$prefix/." "$root$prefix/"
    for kernel in old new; do
        install -D -m 644 "$LAB_CACHE/made/$kernel/config" "$root/boot/config-$(kernel_release "$kernel")"
    done
    lab_bundles
    cp "$LAB_DIR"/guest/{init,step,workloads.sh,network} "$root/lab/"
    chmod 755 "$root/lab"/{init,step,network}
    mkdir "$units/multi-user.target.wants"
    ln -s ../lab.service "$units/multi-user.target.wants/"
    tar -C "$root" -cf "$WORK/payload.tar" usr "${prefix#/}" lab boot
    rm -rf "$root"
}

# new_guest: a disk ($DISK) as nobody has booted it yet
new_guest() {
    [ -e "$WORK/payload.tar" ] || make_payload
    cp --sparse=always "$LAB_CACHE/made/root.img" "$DISK"
}
DISK=$WORK/root.img

# power_on KERNEL STEP [INIT]: leaves QEMU's pid in $GUEST, its console in $CONSOLE, the step's mark in $MARK. It has
# $MEMORY MiB, and is on the network of $TAP, a device of the network namespace $OUTER_NETNS, where that is set.
power_on() {
    local kernel=$LAB_CACHE/made/$1 nonce inside=() device=()
    if [ -n "$TAP" ]; then
        inside=(ip netns exec "$OUTER_NETNS")
        device=(-netdev "tap,id=net,ifname=$TAP,script=no,downscript=no"
            -device "virtio-net-pci,netdev=net,romfile=,mac=02:00:0a:4d:01:0${TAP: -1}")
    fi
    nonce=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
    MARK="LAB $nonce"
    CONSOLE=$WORK/console.$((++BOOTS)).$1.$2
    : >"$CONSOLE"
    # One CPU: with two, 6.12 panicked now and then, in code that the other CPU had just patched. Without cx16: with it
    # one boot in 27 panicked in cmpxchg16b. All else that is left out, with the mitigations, costs
    # the emulator a quarter of its time.
    in_background "${inside[@]}" qemu-system-x86_64 -accel "${STASIS_LAB_ACCEL:-tcg}" -smp 1 \
        -cpu max,-cx16,-la57,-smap,-smep,-erms,-fsrm -m "$MEMORY" "${device[@]}" \
        -nodefaults -no-user-config -display none -no-reboot -serial "file:$CONSOLE" \
        -drive "file=$DISK,format=raw,if=virtio" -drive "file=$WORK/payload.tar,format=raw,if=virtio,readonly=on" \
        -kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off lab.init=${3:-/lab/init} lab.step=$2 lab.nonce=$nonce"
    GUEST=$BACKGROUND
}
BOOTS=0 MEMORY=1024 TAP=

said() { tr -d '\r' <"$CONSOLE" | grep -qE "$MARK $1\$"; }                        # PATTERN
guest_is_off() { ! kill -0 "$GUEST" 2>/dev/null; }
guest_lines() { tr -d '\r' <"$CONSOLE" | sed -n "s/.*$MARK //p"; }

wait_for_off() { wait_for "$BOOT_SECONDS" "the guest powers off ($*)" guest_is_off; }

# The emulator's failure, and nobody else's: the kernel panicked (QEMU ends with 0 then, too), or never came to the step.
machine_failed() { grep -q 'Kernel panic' "$CONSOLE" || ! grep -q "$MARK runs" "$CONSOLE"; }

# on_a_machine FUNCTION KERNEL STEP [INIT]: runs a FUNCTION that powers a guest on and sees it go off. Where the machine
# failed, it is given up with all that it wrote, and the same disk boots again: up to three times.
on_a_machine() {
    local run=$1 try
    shift
    cp --sparse=always --reflink=auto "$DISK" "$DISK.before"
    for try in 1 2 3; do
        "$run" "$@"
        machine_failed || return 0
        echo "the machine failed in step $2, try $try: $(grep -m 1 -B 30 'Kernel panic' "$CONSOLE" || tail -n 3 "$CONSOLE")"
        mv "$DISK.before" "$DISK"
        cp --sparse=always --reflink=auto "$DISK" "$DISK.before"
    done
    fail "step $2 under kernel '$1': the machine failed in each try"
}

until_off() { power_on "$@" && wait_for_off "$@"; }

# boot KERNEL STEP [INIT]: from power on to power off; fails unless the step said that it went well.
boot() {
    on_a_machine until_off "$@"
    said 'ended 0' || fail "step $2 under kernel '$1': $(tail -n 60 "$CONSOLE")"
    guest_lines
}

said_or_is_off() { said "$1" || guest_is_off; }
until_cut() {
    power_on "$@"
    wait_for "$BOOT_SECONDS" "the step's word ($*)" said_or_is_off cut
    guest_is_off || kill -KILL "$GUEST"
    wait_for_off "$@"
}

# pull_the_plug KERNEL STEP: as boot, but the power goes where the step says so, with all that the guest had not written
pull_the_plug() {
    on_a_machine until_cut "$@"
    said cut || fail "step $2 under kernel '$1': $(tail -n 60 "$CONSOLE")"
    guest_lines
}

"$LAB_DIR/make-guest" "$LAB_CACHE" || { code=$?; [ $code = 77 ] && exit 77; fail "no guest"; }
