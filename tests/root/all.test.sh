#!/usr/bin/env bash
# All containers stopped with their state by one command and brought back by another, as around a reboot: in order,
# side by side, with one in the way, with one whose checkpoint is damaged, and interrupted half way.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"

says() { grep -qF -- "$1" <<<"$ERR$OUT" || fail "'$1' is not in: $ERR$OUT"; }
says_not() { ! grep -qF -- "$1" <<<"$ERR$OUT" || fail "'$1' is in: $ERR$OUT"; }

# json EXPRESSION: over the document `d` that the last command printed; `of` finds a target's result in it.
json() {
    "$PYTHON" -c '
import json, sys
d = json.load(open(sys.argv[1]))
of = {r["target"].split(":")[1].rsplit("-", 1)[0]: r for r in d if isinstance(d, list)}
print(eval(sys.argv[2]))' "$WORK/out" "$1"
}

# new_container NAME: counts in memory and in a file. Its id in ${ID[NAME]}.
declare -A ID COUNT
new_container() {
    local name=$1 bundle=$WORK/$1.bundle
    ID[$name]=$(unique_id "$name")
    make_bundle "$bundle"
    bundle_add_target "$bundle" counter
    bundle_args "$bundle" /bin/counter /status
    COUNT[$name]=0
}
start() { start_container "${ID[$1]}" "$WORK/$1.bundle"; }
count() { field counter "$(<"$WORK/$1.bundle/rootfs/status")" 2>/dev/null || echo 0; }
counts_beyond() { [ "$(count "$1")" -gt "$2" ]; }

# remember NAME...: how far they have counted, for goes_on
remember() {
    local name
    for name; do
        wait_for 20 "$name counts" counts_beyond "$name" "${COUNT[$name]}"
        COUNT[$name]=$(count "$name")
        NONCE[$name]=$(field nonce "$(<"$WORK/$name.bundle/rootfs/status")")
    done
}
declare -A NONCE
# goes_on NAME...: they run, and they are the same that they were, not started anew
goes_on() {
    local name
    for name; do
        container_runs "${ID[$name]}" || fail "$name does not run"
        wait_for 20 "$name counts on" counts_beyond "$name" "${COUNT[$name]}"
        check_eq "$(field nonce "$(<"$WORK/$name.bundle/rootfs/status")")" "${NONCE[$name]}" "nonce of $name"
    done
}
all_down() {
    local name
    for name; do ! container_runs "${ID[$name]}" || fail "$name runs"; done
}
# What a reboot takes from runc: its folder in /run.
reboot() { rm -rf "${RUNC_ROOT:?}"/*; }
reboot_of() { rm -rf "${RUNC_ROOT:?}/${ID[$1]}"; }
states_of() { find "$STASIS_STORE/runc/${ID[$1]}" -mindepth 1 -maxdepth 1 -name 'stop-*' ! -name '*.partial' 2>/dev/null | wc -l; }
newest_of() { find "$STASIS_STORE/runc/${ID[$1]}" -mindepth 1 -maxdepth 1 -name 'stop-*' ! -name '*.partial' | sort | tail -n 1; }
# changed_at FILE: in nanoseconds, as sealed
sealed_at() { stat -c %.9Y "$(newest_of "$1")/manifest.json" | tr -d .; }
restored_at() { stat -c %.9Y "$(newest_of "$1")/logs/last-restore.json" | tr -d .; }

echo "== none"
expect_exit 0 stasis stateful-stop --all
check_eq "$OUT$ERR" "" "what is said where nothing runs"
expect_exit 0 stasis --json restore --all
check_eq "$(json d)" "[]" "what there is to restore"

for name in web db cache; do new_container "$name"; done
bundle_set "$WORK/web.bundle" 'c["annotations"] = {"org.stasis.order": "-10"}'
bundle_set "$WORK/db.bundle" 'c["annotations"] = {"org.stasis.order": "10"}'
for name in web db cache; do start "$name"; done

echo "== all of them are shown, and can be dumped"
expect_exit 0 stasis check --all
for name in web db cache; do says "runc:${ID[$name]} can be dumped"; done
expect_exit 0 stasis list --all
for name in web db cache; do says "runc:${ID[$name]} is running"; done

echo "== another kernel: all of them are looked at, and what they use of it"
printf '# Linux/x86 6.12.1 Kernel Configuration\nCONFIG_CHECKPOINT_RESTORE=y\n' >"$WORK/config"
expect_exit 1 stasis check --for-kernel "$WORK/config"
says "built without CONFIG_PID_NS, which its pid namespace needs (runc:${ID[cache]}, runc:${ID[db]}, runc:${ID[web]})"
says_not CONFIG_TUN

echo "== all, in the order that they bear, and back after a reboot"
remember web db cache
expect_exit 0 stasis --json stateful-stop --all --jobs 2
check_eq "$(json '[r["target"].split(":")[1].rsplit("-", 1)[0] for r in d]')" "['web', 'cache', 'db']" "order of the report"
check_eq "$(json '{(r["outcome"], r["kind"], r["freeze_us"] > 0) for r in d}')" "{('stopped', 'stop', True)}" "results"
all_down web db cache
[ "$(sealed_at web)" -lt "$(sealed_at cache)" ] || fail "cache was stopped before web"
[ "$(sealed_at cache)" -lt "$(sealed_at db)" ] || fail "db was stopped before cache"
reboot
# A CRIU that does not work on the new kernel must find that out with nobody's container.
[ -x "${FAKE_CRIU:-}" ] || fail "FAKE_CRIU names no program"
expect_exit 3 env STASIS_CRIU="$FAKE_CRIU" FAKE_CRIU_SCRIPT=refuse:post-dump \
    "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" restore --all
says "the self-test of this host failed, and nothing was restored"
says "all checkpoints are unharmed"
[ -z "$(find "$STASIS_STORE" -name last-restore.json)" ] || fail "a restore was tried"
expect_exit 0 stasis restore --all
says "restored"
goes_on web db cache
[ "$(restored_at db)" -lt "$(restored_at cache)" ] || fail "cache was restored before db"
[ "$(restored_at cache)" -lt "$(restored_at web)" ] || fail "web was restored before cache"
expect_exit 0 stasis --json restore --all
check_eq "$(json '{(r["outcome"], r["reason"]) for r in d}')" "{('skipped', 'it is there already')}" "a second time"

echo "== what was restored and has run since does not come back from its old state"
rc kill "${ID[web]}" KILL
wait_for 10 "end of web" eval '! container_runs "${ID[web]}"'
expect_exit 0 stasis --json restore --all
check_eq "$(json 'of["web"]["outcome"]')" skipped "a stop state that was used"
json 'of["web"]["reason"]' | grep -q "was restored at .*stasis restore runc:" || fail "no reason: $OUT"
expect_exit 0 stasis restore "runc:${ID[web]}"

echo "== the order of a file, side by side with others"
COUNT[web]=0 && remember web db cache
printf '# first\n runc:%s \n\n%s # last\n' "${ID[db]}" "${ID[web]}" >"$WORK/order"
expect_exit 0 stasis stateful-stop --all --order "$WORK/order" --exclude "${ID[cache]}"
says_not "${ID[cache]}"
goes_on cache
all_down web db
[ "$(sealed_at db)" -lt "$(sealed_at web)" ] || fail "web was stopped before db"
expect_exit 4 stasis restore --all --only "${ID[web]}" --only nobody
says "'nobody' is not among them"
all_down web db
expect_exit 0 stasis restore --all --order "$WORK/order" --only "runc:${ID[web]}"
says_not "${ID[db]}"
goes_on web
all_down db
expect_exit 0 stasis restore --all
goes_on db

echo "== one that is in the way: nothing is touched, and all that is in the way is named"
new_container odd
cp "$(target condition)" "$WORK/odd.bundle/rootfs/bin/condition"
bundle_args "$WORK/odd.bundle" /bin/condition io_uring /pid /file
bundle_set "$WORK/odd.bundle" 'c["linux"].pop("seccomp", None)'
start odd
wait_for 10 "io_uring in odd" test -s "$WORK/odd.bundle/rootfs/pid"
bundle_set "$WORK/cache.bundle" 'c["annotations"] = {"org.stasis.order": "soon"}'
before=$(states_of db)
remember web db cache
expect_exit 1 stasis stateful-stop --all
says "is an io_uring"
says "kernel.io_uring_disabled=2"
says "which is no whole number"
goes_on web db cache
container_runs "${ID[odd]}" || fail "odd was stopped"
check_eq "$(states_of db)" "$before" "stop states of db"
expect_exit 1 stasis --json check --all
check_eq "$(json 'd["ok"], sorted(r["target"] for r in d["targets"] if not r["ok"])')" "(False, ['runc:${ID[odd]}'])" \
    "which can't be dumped"
expect_exit 0 stasis --json list --all
check_eq "$(json '[c["status"] for c in d["containers"] if "odd" in c["target"]]')" "['running']" "odd's status"
expect_exit 1 stasis --json stateful-stop --all
check_eq "$(json '{k: r["outcome"] for k, r in of.items()}["db"]')" untouched "db beside one that is in the way"
check_eq "$(json 'of["odd"]["error"]["exit_code"]')" 1 "exit code of odd"
# Two by name are looked at first as well.
expect_exit 1 stasis stateful-stop "${ID[db]}" "${ID[odd]}"
goes_on db
bundle_set "$WORK/cache.bundle" 'del c["annotations"]'

echo "== ... and with --keep-going the others are stopped"
remember web db cache
expect_exit 1 stasis stateful-stop --all --keep-going
says "is an io_uring"
says "1 of 4 targets was not stopped"
all_down web db cache
container_runs "${ID[odd]}" || fail "odd was stopped"
rc delete --force "${ID[odd]}"

echo "== room for each of them, and not for all"
expect_exit 0 stasis restore --all
goes_on web db cache
remember web db cache
mkdir "$WORK/small"
mount -t tmpfs -o size=50M,mode=0700 tmpfs "$WORK/small" # each needs 16 MiB, its memory and its files
REAL_STORE=$STASIS_STORE STASIS_STORE=$WORK/small/store
head -c 48M /dev/urandom >"$WORK/db.bundle/rootfs/large"
expect_exit 1 stasis snapshot "runc:${ID[db]}"
says "the checkpoint needs about"
rm "$WORK/db.bundle/rootfs/large"
expect_exit 1 stasis stateful-stop --all
says "there is no room for the state of 'runc:${ID[db]}' beside that of those before it"
goes_on web db cache
remember web db cache
expect_exit 1 stasis stateful-stop --all --keep-going
says "1 of 3 targets was not stopped"
goes_on db
all_down web cache
expect_exit 0 stasis restore --all
goes_on web cache
# On a disk of its own it takes nothing from the others.
remember web db cache
mkdir -p "$STASIS_STORE/runc/${ID[db]}"
mount -t tmpfs -o size=30M,mode=0700 tmpfs "$STASIS_STORE/runc/${ID[db]}"
expect_exit 0 stasis stateful-stop --all
expect_exit 0 stasis restore --all
says "AWAY FOR"
goes_on web db cache
umount "$STASIS_STORE/runc/${ID[db]}"
STASIS_STORE=$REAL_STORE
umount "$WORK/small"
remember web db cache
expect_exit 0 stasis stateful-stop --all

echo "== one damaged checkpoint does not hold back the others"
truncate -s 1 "$(find "$(newest_of cache)/images" -name 'core-*.img' | head -n 1)"
sed -i 's/"kind"/"kinD"/' "$(newest_of db)/manifest.json"
expect_exit 1 stasis --json restore --all
goes_on web
all_down cache db
check_eq "$(json '[of[k]["error"]["exit_code"] for k in ("cache", "db")]')" "[6, 6]" "exit codes of the damaged ones"
json 'of["cache"]["error"]["details"]' | grep -q "core-.*not as it was sealed" || fail "the damage is not named: $OUT"
says "2 of 3 targets were not restored"
says "see \`stasis list\`"
expect_exit 1 stasis restore --all
says "${ID[cache]}: the checkpoint"
# What was damaged is taken away: older ones are no longer what these containers were.
stasis delete "${ID[db]}" "$(basename "$(newest_of db)")"
stasis delete "${ID[cache]}" "$(basename "$(newest_of cache)")"
for name in db cache; do
    expect_exit 0 stasis restore "${ID[$name]}" # by hand they may be taken back
    COUNT[$name]=0
done

echo "== a container that was started anew keeps what it has done since"
remember web db cache
expect_exit 0 stasis stateful-stop --all
rc delete "${ID[cache]}"
start cache
rc kill "${ID[cache]}" KILL
wait_for 10 "end of cache" eval '! container_runs "${ID[cache]}"'
expect_exit 1 stasis --json restore --all
goes_on web db
json 'of["cache"]["error"]["message"]' | grep -q "made it anew since it was stopped" || fail "cache: $OUT"
json 'of["cache"]["error"]["hint"]' | grep -q "stasis restore runc:${ID[cache]} stop-.*stasis delete" || fail "cache: $OUT"
! container_runs "${ID[cache]}" || fail "cache was restored over what it has done since"
expect_exit 0 stasis restore "${ID[cache]}"
# Neither after a restore that failed before another boot.
COUNT[cache]=0 && remember web db cache
expect_exit 0 stasis stateful-stop --all
mv "$WORK/cache.bundle" "$WORK/away"
mkdir "$WORK/cache.bundle" && echo '{}' >"$WORK/cache.bundle/config.json"
expect_exit 1 stasis restore --all
says "has changed since the dump"
goes_on web db
rm -r "$WORK/cache.bundle" && mv "$WORK/away" "$WORK/cache.bundle"
sed -i 's/"boot_id": "/&another-/' "$(newest_of cache)/logs/last-restore.json"
expect_exit 1 stasis restore --all
says "before the last boot: it may have run since"
sed -i 's/another-//' "$(newest_of cache)/logs/last-restore.json"
expect_exit 0 stasis restore --all
goes_on cache
# Nor where nobody has noted that it ended, and it has written since.
remember cache
expect_exit 0 stasis stateful-stop --all
rm "$(newest_of cache)/logs/ended"
touch "$WORK/cache.bundle/rootfs/status"
expect_exit 1 stasis restore --all
says "was killed before it had ended, and '$WORK/cache.bundle/rootfs/status' has changed since: it may have run since"
goes_on web db
expect_exit 0 stasis restore "${ID[cache]}"
goes_on cache
remember cache
expect_exit 0 stasis stateful-stop --all
rm "$(newest_of cache)/logs/ended"
expect_exit 0 stasis restore --all
goes_on cache
# Nor where an older checkpoint was restored instead.
expect_exit 0 stasis snapshot "${ID[cache]}" older
remember web db cache
expect_exit 0 stasis stateful-stop --all
expect_exit 0 stasis restore "${ID[cache]}" older
rc kill "${ID[cache]}" KILL
wait_for 10 "end of cache" eval '! container_runs "${ID[cache]}"'
reboot_of cache
expect_exit 0 stasis --json restore --all
json 'of["cache"]["reason"]' | grep -q "was restored at" || fail "cache: $OUT"
expect_exit 0 stasis restore "${ID[cache]}"
# One that was stopped by itself stays so.
COUNT[cache]=0 && remember cache
expect_exit 0 stasis stateful-stop "${ID[cache]}"
expect_exit 0 stasis --json restore --all
json 'of["cache"]["reason"]' | grep -q "stopped alone" || fail "cache: $OUT"
expect_exit 0 stasis restore "${ID[cache]}"

# stop_and_signal SIGNAL: once web is stopped; its exit code in $CODE
stop_and_signal() {
    local before
    remember web db cache
    before=$(states_of web)
    "$STASIS" --store "$STASIS_STORE" --runc-root "$RUNC_ROOT" stateful-stop --all --order "$WORK/order" \
        >"$WORK/out" 2>"$WORK/err" &
    RUN_OF_ALL=$!
    wait_for 30 "web is stopped" eval '[ "$(states_of web)" -gt "'"$before"'" ]'
    kill "-$1" $RUN_OF_ALL
    CODE=0 && wait $RUN_OF_ALL 2>/dev/null || CODE=$?
    OUT=$(<"$WORK/out") ERR=$(<"$WORK/err")
    wait_for 20 "no tool is left" no_tools_left
    all_down web
    goes_on db
}
printf '%s\n' "${ID[web]}" "${ID[cache]}" "${ID[db]}" >"$WORK/order"

echo "== SIGTERM half way: what is under way ends well, nothing is begun"
stop_and_signal TERM
check_eq "$CODE" 143 "exit code after SIGTERM: $OUT$ERR"
says "runc:${ID[web]}"
says "untouched"
expect_exit 0 stasis restore --all
goes_on web db cache

echo "== kill -9 half way: the same, but for the report"
stop_and_signal KILL
expect_exit 0 stasis restore --all
goes_on web db cache
assert_no_leftovers
