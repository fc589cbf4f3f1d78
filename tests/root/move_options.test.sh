#!/usr/bin/env bash
# What a user can ask of a move: a dry run, a limit, compression, hooks, and that the source is kept.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

second_host_setup
new_container options writer 64 1

in_report() { # EXPRESSION over the report of the last command
    "$PYTHON" -c 'import json, sys
report = json.loads(sys.argv[1])
print(eval(sys.argv[2]))' "$OUT" "$1"
}

back_home() {
    BEFORE=$(counter_in "$THERE")
    move_back >/dev/null
    goes_on "$STATUS" "$BEFORE"
    BEFORE=$(counter_in "$STATUS")
}

echo "== a dry run moves nothing, and says what is in the way"
BEFORE=$(counter_in "$STATUS")
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --dry-run
grep -q "can be moved to $HOST" <<<"$OUT" || fail "no word of it: $OUT"
mkdir -p "$HOST_B/srv/$ID/rootfs"
expect_exit 1 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --dry-run
grep -q "is there already" <<<"$OUT" || fail "no word of the folder: $OUT"
rm -r "$HOST_B/srv/$ID"
goes_on "$STATUS" "$BEFORE"
nothing_there
expect_exit 2 stasis move-to-host "$TARGET"

echo "== by a user there who has to use sudo"
need sudo
in_host_b cp /etc/passwd "$SRV/passwd"
echo "mover:x:60999:60999::/:/bin/sh" >>"$HOST_B/srv/passwd"
in_host_b cp /etc/shadow "$SRV/shadow"
echo "mover:*:20000::::::" >>"$HOST_B/srv/shadow"
cat >"$HOST_B/srv/sudoers" <<SUDOERS
Defaults !use_pty, env_keep += "STASIS_CRIU STASIS_TEST_RUN", secure_path = "$PATH"
mover ALL = (root) NOPASSWD: $(realpath "$STASIS") --store $STASIS_STORE --runc-root $RUNC_ROOT receive
SUDOERS
chmod 0440 "$HOST_B/srv/sudoers"
for file in passwd shadow sudoers; do in_host_b mount --bind "$SRV/$file" "/etc/$file"; done
to=("${TO[@]}")
to[-1]="$(realpath "$STASIS") --store $STASIS_STORE --runc-root $RUNC_ROOT"
expect_exit 1 stasis move-to-host "$TARGET" mover@127.0.0.1 "${to[@]}"
grep -q -- "--sudo" <<<"$ERR" || fail "no word of --sudo: $ERR"
goes_on "$STATUS" "$BEFORE"
expect_exit 0 stasis move-to-host "$TARGET" mover@127.0.0.1 "${to[@]}" --sudo
goes_on "$THERE" "$BEFORE"
for file in passwd shadow sudoers; do in_host_b umount "/etc/$file"; done
rm "$HOST_B"/srv/{passwd,shadow,sudoers}
move_back_setup
back_home

echo "== a limit holds until the freeze"
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --bwlimit 16M --mode pre-copy
goes_on "$THERE" "$BEFORE"
check_eq "$(in_report 'report["bytes_sent"] - report["bytes_sent_frozen"] <= 17e6 * report["total_us"] / 1e6')" True \
    "no more than 16 MiB a second: $OUT"
back_home

echo "== memory that can be compressed is sent compressed"
head -c 32M /dev/zero | tr '\0' x >"$BUNDLE/rootfs/data/large"
expect_exit 0 stasis -v --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode stop-copy
grep -qE "copying its files to $HOST: [1-9][0-9]* % at [0-9]+ MiB/s, [0-9]+ s left" <<<"$ERR" || fail "no word of how far: $ERR"
plain=$(in_report 'report["bytes_sent"] >> 20')
cmp "$BUNDLE/rootfs/data/large" "$HOST_B/srv/$ID/rootfs/data/large"
back_home
rm -r "${HOST_B:?}/srv/$ID" "$HOST_B"/store/runc/"$ID"
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --mode stop-copy --compress
compressed=$(in_report 'report["bytes_sent"] >> 20')
echo "plain: $plain MiB, compressed: $compressed MiB"
[ "$compressed" -lt $((plain - 25)) ] || fail "$compressed MiB were sent with --compress, $plain without"
cmp "$BUNDLE/rootfs/data/large" "$HOST_B/srv/$ID/rootfs/data/large"
memory_is_right "$THERE" "$(pid_b)"
back_home

echo "== hooks on both hosts"
cat >"$WORK/hook" <<SH
#!/bin/sh
here=\$(runc --root "$RUNC_ROOT" list -q | grep -c "^$ID\$")
echo "\$1 \$STASIS_HOOK \$STASIS_TARGET \$STASIS_RESULT in=\$here" >>"$WORK/hooks"
[ "\$2" != fail ]
SH
chmod +x "$WORK/hook"
HOOKS=(--pre-hook "$WORK/hook source" --post-hook "$WORK/hook source" --remote-pre-hook "$WORK/hook 'the target'"
    --remote-post-hook "$WORK/hook 'the target'")
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" "${HOOKS[@]}"
goes_on "$THERE" "$BEFORE"
wait_for 10 "the last hook" eval '[ "$(wc -l <"$WORK/hooks")" = 4 ]'
check_eq "$(head -n 2 "$WORK/hooks")" "the target before $TARGET  in=0
source before $TARGET  in=1" "the hooks before"
check_eq "$(tail -n 2 "$WORK/hooks" | sort)" "source after $TARGET moved in=0
the target after $TARGET moved in=1" "the hooks after"
back_home

echo "== a hook that fails keeps the container here"
for failing in 1 5; do # the command of --pre-hook, and that of --remote-pre-hook
    rm "$WORK/hooks"
    hooks=("${HOOKS[@]}")
    hooks[failing]+=" fail"
    expect_exit 1 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" "${hooks[@]}"
    grep -q "hook '$WORK/hook'" <<<"$ERR" || fail "the hook is not named: $ERR"
    goes_on "$STATUS" "$BEFORE"
    wait_for 10 "the last hook there" grep -q "the target after $TARGET failed in=0" "$WORK/hooks"
    check_eq "$(grep -c "source after $TARGET failed in=1" "$WORK/hooks" || true)" "$(grep -c "source before" "$WORK/hooks" || true)" \
        "is told of the end who was told of the beginning"
    ! rc_b list -q | grep -qx "$ID" || fail "the second host has $ID"
done

echo "== the source is kept"
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --keep-source
goes_on "$THERE" "$BEFORE"
! container_runs "$ID" || fail "$ID runs here as well"
expect_exit 0 stasis --json list "$TARGET"
check_eq "$(in_report '[c["kind"] for c in report["checkpoints"]], report["moves"][0]["state"]')" "(['stop'], 'left')" \
    "what list shows"
expect_exit 0 stasis list
grep -q "$TARGET is on $HOST now" <<<"$OUT" || fail "list does not say where it is: $OUT"
expect_exit 0 stasis restore --all
! container_runs "$ID" || fail "restore --all brought it back"

echo "== as if the source had crashed when it had arrived"
record=$STASIS_STORE/runc/$ID/.move.json
checkpoint=$(basename "$(dirname "$STASIS_STORE/runc/$ID"/stop-*/manifest.json)")
sed -i "s/\"left\"/\"leaving\"/; s/\"checkpoint\": \"\"/\"checkpoint\": \"$checkpoint\"/" "$record"
expect_exit 6 stasis restore "$TARGET"
expect_exit 2 stasis move-to-host "$TARGET" --recover
expect_exit 1 stasis move-to-host "$TARGET" "$HOST" --ssh false --recover --timeout 3
grep -q leaving "$record" || fail "the record is gone though nobody could be asked"
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --recover
check_eq "$(in_report 'report["where"]')" there "where it is"
goes_on "$THERE" "$BEFORE"
! rc list -q | grep -qx "$ID" || fail "runc here still has $ID"
no_checkpoints "$STASIS_STORE" || fail "left in the store: $(find "$STASIS_STORE")"
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --recover
check_eq "$(in_report 'report["where"]')" there "where it is, asked again"
rc_b delete --force "$ID"
rm -rf "${HOST_B:?}"/{srv,store}/*

echo "== volumes go along when they are asked to"
restart_at() { # BUNDLE STATUS
    rc delete --force "$ID"
    BUNDLE=$1 STATUS=$2
    rm -f "$STATUS"
    start_container "$ID" "$BUNDLE"
    wait_for 30 "the status of $ID" test -s "$STATUS"
    NONCE=$(field nonce "$(<"$STATUS")") before=$(<"$STATUS")
}
status_beyond() { [ "$(field "$1" "$(<"$2")")" -gt "$(field "$1" "$3")" ]; } # KEY FILE TEXT
works_in() { # STATUS: a program with files of all kinds
    for key in counter echoes sequence; do wait_for 10 "$key" status_beyond $key "$1" "$before"; done
    check_eq "$(field errors "$(<"$1")")" none "what is broken in $1"
    check_eq "$(field nonce "$(<"$1")")" "$NONCE" nonce
}
new_container volume files /data
bundle_volume "$BUNDLE" "$SRV/volume" /data
bundle_args "$BUNDLE" /bin/files /data/status /data
restart_at "$BUNDLE" "$SRV/volume/status"
THERE=$HOST_B/srv/volume/status
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
grep -q "$SRV/volume" <<<"$ERR" || fail "the missing volume is not named: $ERR"
nothing_there
before=$(<"$STATUS")
expect_exit 0 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --with-volumes
works_in "$THERE"
before=$(<"$THERE")
move_back --with-volumes >/dev/null
works_in "$STATUS"
rm -r "${HOST_B:?}"/srv/* "$HOST_B"/store/runc
mkdir "$HOST_B/srv/volume"
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --with-volumes
grep -q "'$SRV/volume', where its files belong, is there already" <<<"$ERR" || fail "no word of the folder: $ERR"
rmdir "$HOST_B/srv/volume"
nothing_there
rc delete --force "$ID"

echo "== no files go along where both hosts have the same"
new_container shared files /data
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --shared-storage
grep -q "is not here" <<<"$ERR" || fail "no word of the missing folder: $ERR"
rc delete --force "$ID" # or files would vanish under the copy
cp -a "$BUNDLE" "$WORK/shared" # the second host sees it as well
rm -r "$WORK"/shared/rootfs/data/*
restart_at "$WORK/shared" "$WORK/shared/rootfs/status"
expect_exit 6 stasis move-to-host "$TARGET" "$HOST" "${TO[@]}" --shared-storage
for name in flock posix; do grep -q "a lock on '/data/$name'" <<<"$ERR" || fail "the lock is not named: $ERR"; done
rc delete --force "$ID"
bundle_add_target "$BUNDLE" counter
bundle_args "$BUNDLE" /bin/counter /status
ID=$(unique_id counts) TARGET=runc:$ID
start_container "$ID" "$BUNDLE"
wait_for 30 "another status" eval '[ "$(field nonce "$(<"$STATUS")")" != "$NONCE" ]'
NONCE=$(field nonce "$(<"$STATUS")") BEFORE=$(counter_in "$STATUS")
head -c 32M /dev/urandom >"$BUNDLE/rootfs/data/large"
expect_exit 0 stasis --json move-to-host "$TARGET" "$HOST" "${TO[@]}" --shared-storage
[ "$(in_report 'report["bytes_sent"] >> 20')" -lt 32 ] || fail "the files were sent: $OUT"
goes_on "$STATUS" "$BEFORE"
runs_there || fail "runc there does not say that $ID runs"
rc_b delete --force "$ID"
[ -f "$BUNDLE/rootfs/data/large" ] || fail "the shared files are gone"
assert_no_leftovers
