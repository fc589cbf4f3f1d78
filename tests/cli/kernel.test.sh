#!/usr/bin/env bash
# check --for-kernel: a kernel by its version, its package, its configuration; by CRIU's known troubles, and by what the
# target uses.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

what() { json '[p["what"] for p in d["problems"]]'; }
config() { # RELEASE OPTION...: the configuration of a kernel with these
    printf '#\n# Linux/x86 %s Kernel Configuration\n#\n' "$1"
    # The latter for control groups, in which whoever runs the test may be.
    printf 'CONFIG_%s=y\n' CHECKPOINT_RESTORE FHANDLE TIME_NS "${@:2}" MEMCG{,_V1} CGROUP_{PIDS,FREEZER,DEVICE} CPUSETS
    echo '# CONFIG_BINFMT_MISC is not set'
}

echo "== what is no kernel"
expect 2 stasis check --for-kernel latest
check_has "$ERR" "'latest' is no version of a kernel"
expect 2 stasis check --for-kernel "$WORK/none.deb"
check_has "$ERR" "there is no file '$WORK/none.deb'"
echo words >"$WORK/words"
expect 2 stasis check --for-kernel "$WORK/words"
check_has "$ERR" "'$WORK/words' holds no configuration of a kernel"
head -c 100 /dev/zero >"$WORK/zeros"
expect 2 stasis check --for-kernel "$WORK/zeros"
echo CONFIG_A=y >"$WORK/words"
expect 2 stasis check --for-kernel "$WORK/words"
check_has "$ERR" "does not say of which kernel it is"
expect 2 stasis check --for-kernel 6.12.0 --host b

need_root
script version:4.1.1
sleep 1000 &
STARTED+=($!)
PID=$!

echo "== by the version alone"
expect 0 stasis --json check --for-kernel 6.12.999-none "pid:$PID"
check_eq "$(json 'sorted(d)')" "['config', 'criu', 'kernel', 'ok', 'problems', 'targets', 'warnings']" "keys"
check_eq "$(json '(d["kernel"], d["config"], d["criu"], d["ok"], d["targets"])')" \
    "('6.12.999-none', '', '4.1.1', True, ['pid:$PID'])" "what was compared"
check_has "$(json 'd["warnings"]')" "its configuration is neither in /boot nor in /lib/modules"
expect 1 stasis --json check --for-kernel 7.1.0 "pid:$PID"
check_eq "$(what)" "[\"CRIU 4.1.1 on Linux 7.1.0 can't dump: it asks this kernel for UDP-Lite, which that does not have\"]" "problems"
check_eq "$(json 'sorted(d["problems"][0])')" "['remedy', 'targets', 'what']" "keys of a problem"
check_has "$(json 'd["problems"][0]["remedy"]')" "install CRIU 4.2.1 or newer"
# On a host on which nothing runs, too.
expect 1 stasis --runc-root "$WORK/none" check --for-kernel linux-image-7.1.0
check_has "$OUT" "CRIU 4.1.1 on Linux 7.1.0 can't dump"
script version:4.2.1
expect 0 stasis check --for-kernel 7.1.0 "pid:$PID"
check_has "$OUT" "pid:$PID: with CRIU 4.2.1 nothing is known that is in the way under Linux 7.1.0"
expect 0 stasis --json check --for-kernel 4.4.0 "pid:$PID"
check_has "$(json 'd["warnings"]')" "it is older than Linux"

echo "== by its configuration, also compressed, and in a package"
config 6.12.1 UNIX_DIAG >"$WORK/config"
expect 0 stasis --json check --for-kernel "$WORK/config" "pid:$PID"
check_eq "$(json '(d["kernel"], d["config"])')" "('6.12.1', '$WORK/config')" "the kernel"
check_has "$(json 'd["warnings"]')" "no CONFIG_USERFAULTFD"
config 6.12.1 | gzip >"$WORK/config.gz"
expect 1 stasis check --for-kernel "$WORK/config.gz"
check_has "$OUT" "Linux 6.12.1 is built without CONFIG_UNIX_DIAG, which CRIU, to find the ends of sockets needs"
if command -v dpkg-deb >/dev/null; then
    mkdir -p "$WORK/package/DEBIAN" "$WORK/package/boot"
    printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n' >"$WORK/package/DEBIAN/control"
    config 6.12.1 UNIX_DIAG >"$WORK/package/boot/config-6.12.1-one"
    dpkg-deb --build "$WORK/package" "$WORK/x.deb" >/dev/null
    expect 0 stasis --json check --for-kernel "$WORK/x.deb" "pid:$PID"
    check_eq "$(json '(d["kernel"], d["config"])')" "('6.12.1-one', '$WORK/x.deb: ./boot/config-6.12.1-one')" "the kernel"
    head -c 500 "$WORK/x.deb" >"$WORK/half.deb"
    expect 1 stasis check --for-kernel "$WORK/half.deb"
fi

# The least that is an .rpm: a lead, two headers without entries, and a cpio archive. One of rpmbuild's was read, too.
"$PYTHON" - "$WORK/x.rpm" "$WORK/config" <<'PYTHON'
import gzip, struct, sys
def entry(name, data):
    fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    pad = lambda text: text + b"\0" * (-len(text) % 4)
    return pad(b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0") + pad(data)
header = b"\x8e\xad\xe8\x01" + bytes(12)
with open(sys.argv[1], "wb") as rpm:
    rpm.write(struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"kernel-core", 1, 5) + header + header)
    rpm.write(gzip.compress(entry(b"./lib/modules/6.12.1-two/config", open(sys.argv[2], "rb").read()) +
                            entry(b"TRAILER!!!", b"")))
PYTHON
expect 0 stasis --json check --for-kernel "$WORK/x.rpm" "pid:$PID"
check_eq "$(json '(d["kernel"], d["config"])')" "('6.12.1-two', '$WORK/x.rpm: ./lib/modules/6.12.1-two/config')" "the kernel"

echo "== of the configuration only what the target uses"
exec 7< <(exec "$PYTHON" -c '
import os, select, socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); e = select.epoll()
print("ready", flush=True)
time.sleep(1000)')
STARTED+=($!)
PID=$!
read -r _ <&7
expect 1 stasis --json check --for-kernel "$WORK/config" "pid:$PID"
check_eq "$(json 'sorted(p["what"].split()[5].rstrip(",") for p in d["problems"])')" \
    "['CONFIG_EPOLL', 'CONFIG_INET_DIAG', 'CONFIG_INET_TCP_DIAG']" "what is missing"
check_eq "$(json '{tuple(p["targets"]) for p in d["problems"]}')" "{('pid:$PID',)}" "whose it is"
config 6.12.1 UNIX_DIAG EPOLL INET_DIAG INET_TCP_DIAG >"$WORK/config"
expect 0 stasis check --for-kernel "$WORK/config" "pid:$PID"
