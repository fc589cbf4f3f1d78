#!/usr/bin/env bash
# Moves that can't begin: each reason is named, all at once where there are several, and nothing is touched.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/move.sh"

# refused CODE TEXT COMMAND...: the container runs on, and no trace of it is there.
refused() {
    local before
    before=$(counter_in "$STATUS")
    expect_exit "$1" "${@:3}"
    grep -qF -- "$2" <<<"$OUT$ERR" || fail "'$2' is not said: $OUT$ERR"
    goes_on "$STATUS" "$before"
    assert_no_leftovers
    check_eq "$(find "$STASIS_STORE" "$HOST_B/store" -name .move.json -o -name 'failed-*' -o -name 'stop-*')" "" "traces"
}

second_host_setup
new_container counter counter

echo "== fits"
refused 0 "it can be moved to $HOST" stasis check "$TARGET" --host "$HOST" "${TO[@]}"
nothing_there

echo "== all at once"
in_host_b mkdir -p "$SRV/$ID/rootfs"
echo '{}' >"$HOST_B/srv/$ID/config.json"
in_host_b mount -t tmpfs -o size=4m,mode=0700 tmpfs "$STASIS_STORE"
make_bundle "$HOST_B/srv/other"
bundle_set "$HOST_B/srv/other" 'c["linux"]["cgroupsPath"] = "/" + args[0]' "$(unique_id other)"
in_host_b runc --root "$RUNC_ROOT" run -d --bundle "$SRV/other" "$ID" </dev/null >/dev/null 2>&1
# What a move that broke off has left is cleared away, but not what has come by that name since.
in_host_b sh -c "umask 077 && mkdir -p $STASIS_STORE/runc/$ID && cat >$STASIS_STORE/runc/$ID/.move.json" <<JSON
{"id": "earlier", "state": "arriving", "peer": "another", "checkpoint": "stop-1", "made": ["$SRV/$ID"],
 "runtime_details": {"freezer": "", "bundle": "$SRV/$ID"}}
JSON
for command in "move-to-host $TARGET $HOST" "check $TARGET --host $HOST"; do
    code=6
    [[ $command = move* ]] || code=1
    # shellcheck disable=SC2086
    refused $code "there is a container '$TARGET' already" stasis $command "${TO[@]}"
    for text in "where its files belong, is there already" "config.json' has changed" "the memory needs"; do
        grep -qF "$text" <<<"$OUT$ERR" || fail "'$text' is not said: $OUT$ERR"
    done
done
expect_exit 1 stasis --json check "$TARGET" --host "$HOST" "${TO[@]}"
"$PYTHON" - "$OUT" <<'PYTHON'
import json, sys
check = json.loads(sys.argv[1])
assert not check["ok"] and not check["blockers"], check
assert len(check["other_host"]["problems"]) == 4 and check["other_host"]["criu"], check["other_host"]
PYTHON
rc_b state "$ID" | grep -q '"status": "running"' || fail "the other container of that name was touched"
rc_b delete --force "$ID"
in_host_b umount "$STASIS_STORE"
rm -rf "$HOST_B/srv"/*
nothing_there

echo "== another processor, an older kernel"
sed '/^flags/s/ \(avx\|sse4_2\|aes\)[^ ]*//g' /proc/cpuinfo >"$WORK/cpuinfo"
if ! cmp -s /proc/cpuinfo "$WORK/cpuinfo"; then
    in_host_b mount --bind "$WORK/cpuinfo" /proc/cpuinfo
    refused 6 "this processor lacks" stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
    in_host_b umount /proc/cpuinfo
fi
to=("${TO[@]}")
to[-1]="setarch --uname-2.6 ${TO[-1]}"
refused 0 "which is older" stasis check "$TARGET" --host "$HOST" "${to[@]}"

echo "== a CRIU there that can't work"
cat >"$WORK/criu" <<SH
#!/bin/sh
exec setpriv --bounding-set=-all --inh-caps=-all $(command -v criu) "\$@"
SH
chmod +x "$WORK/criu"
to[-1]="env STASIS_CRIU=$WORK/criu ${TO[-1]}"
refused 6 "CRIU could not work on this kernel" stasis move-to-host "$TARGET" "$HOST" "${to[@]}"
nothing_there

echo "== no way to get there"
to=("${TO[@]}")
to[-1]=/nonexistent/stasis
refused 1 "/nonexistent/stasis" stasis move-to-host "$TARGET" "$HOST" "${to[@]}"
to[-1]="echo Welcome"
refused 1 "it says 'Welcome receive'" stasis move-to-host "$TARGET" "$HOST" "${to[@]}"
# Frames with a Hello of protocol 99 alone, and of none that is known here.
to[-1]="printf 'stasis-move\\n\\012\\0\\0\\0\\012\\010\\010\\143\\020\\143\\032\\002v9'"
refused 1 "do not understand each other" stasis move-to-host "$TARGET" "$HOST" "${to[@]}"
grep -qF "install the version of the other host here" <<<"$ERR" || fail "no remedy: $ERR"
to[-1]="printf 'stasis-move\\n\\010\\0\\0\\0\\012\\006\\010\\000\\032\\002v0'"
refused 1 "install the version of this host there" stasis move-to-host "$TARGET" "$HOST" "${to[@]}"
mv "$HOST_B/known_hosts" "$HOST_B/known_hosts.right"
refused 1 "Host key verification failed" stasis move-to-host "$TARGET" "$HOST" "${TO[@]}"
mv "$HOST_B/known_hosts.right" "$HOST_B/known_hosts"
nothing_there

echo "== what can't be asked for"
refused 2 "'pre-post' is not a mode" stasis move-to-host "$TARGET" "$HOST" --mode pre-post
refused 2 "is not a host" stasis move-to-host "$TARGET" -- -oProxyCommand=x
refused 2 "--host" stasis check "$TARGET" --sudo
refused 2 "needs a TARGET" stasis check --host "$HOST"
expect_exit 4 stasis move-to-host runc:nobody "$HOST" "${TO[@]}"
