#!/usr/bin/env bash
# Targets and checkpoints that are not there (4), are busy (5), or can't be named so (2).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
start_target
NAMES='stasis: hint: use up to 200 letters, digits and . _ - + : @, not beginning with a dot or a dash'

for name in .. . a/b ../../etc /etc 'a b' $'a\nb' .hidden ''; do
    fails 2 "stasis: error: '$name' can't be the name of a checkpoint
$NAMES" stasis snapshot "pid:$T" "$name"
    fails 2 "stasis: error: '$name' can't be the name of a container
$NAMES" stasis list "runc:$name"
done
for name in lock failed-x x.partial; do
    fails 2 "stasis: error: the store keeps the name '$name' for itself
stasis: hint: choose another name" stasis snapshot "pid:$T" $name
done
expect 2 stasis snapshot "../../x"
expect 2 stasis delete "pid:$T" ../other
expect 2 stasis info "pid:$T" ../other
expect 2 stasis restore "pid:$T" ../other
fails 2 "stasis: error: there is no runtime 'dock'
stasis: hint: stasis knows: runc, crun, podman, lxc, pid, docker, containerd, lxd, incus" stasis snapshot dock:web
[ ! -e "$WORK/x" ] && [ ! -e "$STORE/x" ] || fail "a name left the store"

# Nobody knows it.
fails 4 "stasis: error: no runtime knows 'no-such-thing', and the store holds nothing of that name
stasis: hint: \`stasis list\` shows what is stored; runtimes: runc, crun, podman, lxc, pid, docker, containerd, lxd, incus" stasis snapshot no-such-thing
OTHER="stasis: hint: \`stasis list\` shows what is stored; a runtime's folder elsewhere is named with --runc-root, --crun-root or --lxc-path"
for name in "pid 2147483646" "pid $T-x" "pid 0$T" "pid 0" "runc no-such-thing"; do
    fails 4 "stasis: error: ${name% *} knows no '${name#* }'
$OTHER" stasis --runc-root "$WORK" snapshot "${name/ /:}"
done
[ ! -e "$STORE/runc" ] || fail "a target that is not there left a folder"

# No such checkpoint.
fails 4 "stasis: error: 'pid:$T' has no stop state" stasis restore "pid:$T"
fails 4 "stasis: error: 'pid:$T' has no stop state" stasis info "pid:$T"
works stasis snapshot "pid:$T" one
works stasis snapshot "pid:$T" two
fails 4 "stasis: error: 'pid:$T' has no stop state
stasis: hint: name one of its checkpoints: one, two" stasis restore "pid:$T"
fails 4 "stasis: error: 'pid:$T' has no checkpoint 'three'
stasis: hint: there is: one, two" stasis restore "pid:$T" three
fails 4 "stasis: error: 'pid:$T' has no checkpoint 'three'
stasis: hint: there is: one, two" stasis info "pid:$T" three
fails 4 "stasis: error: 'pid:$T' has no checkpoint 'three'
stasis: hint: \`stasis list pid:$T\` shows what there is" stasis delete "pid:$T" three
fails 4 "stasis: error: 'pid:$T' has no checkpoint 'three'" stasis verify "pid:$T" three
fails 4 "stasis: error: there is no checkpoint '$WORK/none'" stasis info "pid:$T" --dir "$WORK/none"

# It is taken.
forget_trace
fails 5 "stasis: error: there is a checkpoint 'one' already
stasis: hint: choose another name, or delete it first" stasis snapshot "pid:$T" one
check_hasnt "$(<"$FAKE_CRIU_TRACE")" "type: DUMP"
mkdir "$WORK/taken"
fails 5 "stasis: error: there is a checkpoint 'taken' already
stasis: hint: choose another name, or delete it first" stasis snapshot "pid:$T" --dir "$WORK/taken"
rmdir "$WORK/taken" # it was left alone
for name in '' / "$WORK/x.partial"; do
    fails 2 "stasis: error: '$name' can't be the folder of a checkpoint" stasis snapshot "pid:$T" --dir "$name"
done

# Another run has it: in this store, or on this host in another one.
busy() { # LOCK-FILE COMMAND...
    fails 5 "stasis: error: another run of stasis is working on 'pid:$T'
stasis: hint: wait until it is done; \`fuser -v $1\` names it" flock -o "$1" "$STASIS" --store "$2" "${@:3}"
}
for lock in "$STORE/pid/$T/lock" "/run/stasis/pid/$T.lock"; do
    busy "$lock" "$STORE" snapshot "pid:$T"
    busy "$lock" "$STORE" stateful-stop "pid:$T"
    busy "$lock" "$STORE" restore "pid:$T" one
    busy "$lock" "$STORE" delete "pid:$T" one
done
busy "/run/stasis/pid/$T.lock" "$WORK/other" snapshot "pid:$T"
works stasis list "pid:$T" # looking is always possible
check_eq "$(names)" "lock one two" "the store"
is_alive "$T" || fail "the target is gone"

# Two runs at once: one of them goes through.
script slow-at:pre-dump:700
stasis snapshot "pid:$T" slow >"$WORK/slow.out" 2>&1 </dev/null &
slow=$!
until [ -d "$STORE/pid/$T/slow.partial" ]; do kill -0 $slow || fail "the slow run ended: $(<"$WORK/slow.out")"; done
works stasis list "pid:$T"
check_like "$(grep slow <<<"$OUT")" "pid:$T +slow +- +- +- +writing"
expect 5 stasis snapshot "pid:$T" fast
expect 4 stasis info "pid:$T" slow
check_has "$ERR" "'pid:$T' has no checkpoint 'slow': it was never finished"
wait $slow || fail "the slow run failed: $(<"$WORK/slow.out")"
check_eq "$(names)" "lock one slow two" "the store"
