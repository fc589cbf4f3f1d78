#!/usr/bin/env bash
# What every run needs and does not have: exit code 3, and how to get it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
start_target

# Root.
cp "$STASIS" "$WORK/stasis"
chmod 0755 "$WORK/stasis"
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$WORK/stasis" --store "$STORE" "$@"; }
for command in "snapshot pid:$T" "stateful-stop pid:$T" "restore pid:$T" "list" "info pid:$T" "verify" "delete pid:$T x" "check pid:$T"; do
    # shellcheck disable=SC2086
    fails 3 'stasis: error: stasis needs root: CRIU reads and recreates other users'\'' processes
stasis: hint: run it with sudo' nobody $command
done
works nobody completion bash
works nobody --version

# CRIU.
no_criu() { # WHAT-IT-SAYS
    expect 3 stasis snapshot "pid:$T"
    check_eq "$OUT" "" "standard output"
    check_has "$ERR" "$1"
    is_alive "$T" || fail "the target is gone"
    [ -z "$(find "$STORE" -name '*.partial')" ] || fail "a partial checkpoint is left"
    works stasis list
    check_hasnt "$OUT" "pid:$T"
}
STASIS_CRIU=/nowhere/criu no_criu "stasis: error: '/nowhere/criu' does not work: cannot start '/nowhere/criu': No such file or directory"
STASIS_CRIU=/dev/null no_criu "'/dev/null' does not work: cannot start '/dev/null': Permission denied"
STASIS_CRIU=/bin/true no_criu "'/bin/true' does not work: CRIU ended without an answer at its start"
if [ ! -e /opt/stasis/criu/sbin/criu ]; then
    mkdir "$WORK/bin"
    ln -s "$(command -v rsync)" "$WORK/bin"
    STASIS_CRIU='' PATH=$WORK/bin no_criu "stasis: error: there is no CRIU on this host"
fi
script version:3.16.1
no_criu "stasis: error: CRIU 3.16.1 ('$FAKE_CRIU') is too old: stasis needs 3.17"
for words in eof-at:version crash-at:version garbage:version wrong-type:version refuse:version; do
    script $words
    no_criu "stasis: error: '$FAKE_CRIU' does not work: "
done
script print-at:version eof-at:version
fails 3 "stasis: error: '$FAKE_CRIU' does not work: CRIU ended without an answer at its start
    fake CRIU says why
stasis: hint: run \`stasis check\` to see whether this CRIU works on this kernel" stasis -q snapshot "pid:$T"
script ''

# A store of root's alone.
for mode in 0755 0750 0701; do
    chmod "$mode" "$STORE"
    fails 3 "stasis: error: '$STORE' is not a folder that root alone can enter
stasis: hint: run: chown root: '$STORE' && chmod 700 '$STORE', or use another --store" stasis snapshot "pid:$T"
done
chmod 0700 "$STORE"
chown 65534 "$STORE"
expect 3 stasis snapshot "pid:$T"
chown 0 "$STORE"
works stasis snapshot "pid:$T" ok

# The oldest that is supported: without the options that it does not know, also where there is no
# TCP connection that would have to be locked.
unshare --net setsid sleep 600 </dev/null >/dev/null 2>&1 &
T=$!
STARTED+=("$T")
disown "$T"
until [ "$(cat "/proc/$T/comm")" = sleep ]; do :; done
for version in 3.17 3.17.1 3.18; do
    script version:$version
    works nsenter --target "$T" --net "$STASIS" --quiet --store "$STORE" snapshot --ignore-blockers "pid:$T" "by-$version"
done
