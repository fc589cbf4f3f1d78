#!/usr/bin/env bash
# What stands in for programs that CRIU calls: where there is little to pack, or nothing to save, they are not called; what
# is there comes back as with them.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/counting.sh"
. "$TESTS_DIR/firewall.sh"

need nft iptables-legacy ip6tables-legacy

# All are called through these, which say so.
mkdir "$WORK/bin"
# shellcheck disable=SC2016  # the program written expands it
for name in tar iptables-legacy-save ip6tables-legacy-save nft; do
    real=$(command -v $name)
    printf '#!/bin/sh\necho "%s $1" >>%q\nexec %q "$@"\n' $name "$WORK/calls" "$real" >"$WORK/bin/$name"
done
chmod +x "$WORK"/bin/*
export PATH=$WORK/bin:$PATH

calls() { # NAME COMMAND...: how often it is called meanwhile, and with what first
    local name=$1
    shift
    : >"$WORK/calls"
    "$@" >/dev/null
    sed -n "s/^$name //p" "$WORK/calls" | sort | uniq -c | awk '{print $1 " " $2}' | paste -sd,
}
in_root() { (cd "/proc/$(container_pid "$ID")/root" && "$@"); } # may do more than the container's own root
# What is in its file systems in memory, with times in seconds, as tar keeps them; what is mounted in there begins anew.
listing() {
    in_root sh -c 'for d in dev dev/shm mnt; do ls -lAn --time-style=+%s $d; stat -c "%n %a %u %g %Y" $d; done' |
        grep -vE ' (mqueue|pts|shm)$'
}

new_container plain
bundle_mount "$BUNDLE" tmpfs
start_container "$ID" "$BUNDLE"
in_root sh -c 'chown 12:34 mnt; chmod 1750 mnt; touch -d "2020-01-02 03:04:05" mnt'

echo "== what has no contents is packed without tar"
BEFORE=$(listing)
check_eq "$(calls tar stasis snapshot "runc:$ID" s1)" "" "calls of tar by a snapshot"
check_eq "$(calls tar stasis stateful-stop "runc:$ID")" "" "calls of tar by a stop"
# /dev, and what holds the control groups where these are of version 1, have something in them.
OUT=$(calls tar stasis restore "runc:$ID")
[[ $OUT =~ ^[12]\ --extract$ ]] || fail "calls of tar by a restore: $OUT"
check_eq "$(listing)" "$BEFORE" "what is in memory"
wait_for 10 "it counts on" counts_beyond 0

# stop_with_tar: tar packs one of its file systems, and all is there again.
stop_with_tar() {
    BEFORE=$(listing)
    check_eq "$(calls tar stasis stateful-stop "runc:$ID")" "1 --create" "calls of tar"
    stasis restore "runc:$ID" >/dev/null
    check_eq "$(listing)" "$BEFORE" "what is in memory"
}

echo "== what has contents, tar packs"
in_root sh -ec 'cd mnt; mkdir -p a/b; echo text >a/b/file; ln a/b/file hard; : >empty; mkfifo fifo; ln -s a/b link'
stop_with_tar
check_eq "$(in_root cat mnt/hard)" text "what is in its file"

echo "== more of them than tar takes time to start"
in_root sh -ec 'cd mnt; rm -r *; i=0; while [ $i -lt 100 ]; do : >$i; i=$((i + 1)); done'
stop_with_tar

echo "== no rules of iptables' older kind: nobody is asked for them, and none are set"
check_eq "$(calls iptables-legacy-save stasis stateful-stop "runc:$ID")" "" "calls of iptables-legacy-save"
check_eq "$(calls nft stasis restore "runc:$ID")" "" "calls of nft by a restore" # CRIU's table alone was saved

echo "== with some, they are saved"
firewall_set
# Its version, and the rules.
check_eq "$(calls ip6tables-legacy-save stasis stateful-stop "runc:$ID")" "1 ,1 -V" "calls of ip6tables-legacy-save"
stasis restore "runc:$ID" >/dev/null
firewall_is_set
[ -z "$(criu_rules_in "$(container_pid "$ID")")" ] || fail "rules of CRIU's are left in the container"
rc delete --force "$ID"

echo "== in a user namespace, whose root packs"
new_container mapped
bundle_mapped_ids "$BUNDLE" 0
start_container "$ID" "$BUNDLE"
check_eq "$(calls tar stasis stateful-stop "runc:$ID")" "" "calls of tar"
stasis restore "runc:$ID" >/dev/null
wait_for 10 "it counts on" counts_beyond 0
