#!/usr/bin/env bash
# A command line that makes no sense: exit code 2, one message, a hint. Help and version: 0.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

HINT='stasis: hint: `stasis --help` and `stasis COMMAND --help` show how'

fails 2 "stasis: error: A subcommand is required
$HINT" "$STASIS"
fails 2 "stasis: error: there is no command or option 'frobnicate'
$HINT" "$STASIS" frobnicate
fails 2 "stasis: error: there is no command or option '--frobnicate'
$HINT" "$STASIS" --frobnicate
fails 2 "stasis: error: --store: must not be empty
$HINT" "$STASIS" --store '' list
fails 2 "stasis: error: --runc-root: must not be empty
$HINT" "$STASIS" list --runc-root ''
fails 2 "stasis: error: The following argument was not expected: --frobnicate
$HINT" "$STASIS" list --frobnicate
fails 2 "stasis: error: TARGET is required
$HINT" "$STASIS" snapshot
fails 2 "stasis: error: TARGET or --all is required
$HINT" "$STASIS" restore
fails 2 "stasis: error: --all takes no targets
stasis: hint: leave some out with --exclude, or name those you mean" "$STASIS" stateful-stop web --all
fails 2 "stasis: error: --all takes no target, --dir, --replace or --console-socket
stasis: hint: restore those that need one by themselves" "$STASIS" restore --all --replace
fails 2 "stasis: error: --dir takes one target
stasis: hint: stop them one by one, each with a directory of its own" "$STASIS" stateful-stop --all --dir d
fails 2 "stasis: error: --jobs requires --all
$HINT" "$STASIS" stateful-stop web --jobs 2
fails 2 "stasis: error: NAME is required
$HINT" "$STASIS" delete web
fails 2 "stasis: error: The following argument was not expected: c
$HINT" "$STASIS" snapshot a b c
for arguments in "stateful-stop" "info" "delete" "completion" "completion tcsh" "completion bash zsh" "list a b" \
    "snapshot web --rootfs maybe" "--timeout 0 list" "--timeout -1 list" "--timeout soon list" "--timeout 100000000000 list" "--store" "--store a --store b list" \
    "snapshot --replace web" "verify a b c" "check a b" \
    "stateful-stop --all --jobs 0" "restore --all --jobs many" "restore web --exclude db" "stateful-stop --all --order /none"; do
    # shellcheck disable=SC2086
    expect 2 "$STASIS" $arguments
    check_eq "$OUT" "" "standard output of: $arguments"
    check_like "$ERR" $'stasis: error: [^\n]+\n'"$HINT"
done

# What stasis starts itself is not offered.
works "$STASIS" --version
check_like "$OUT" 'stasis [0-9]+\.[0-9]+\.[0-9]+'
works "$STASIS" --help
help=$OUT
check_hasnt "$help" selftest-target
for command in snapshot stateful-stop restore check list info verify delete completion; do
    check_has "$("$STASIS" --help)" "  $command "
    expect 0 "$STASIS" "$command" --help
    check_eq "$ERR" "" "standard error of $command --help"
    check_has "$OUT" "--help"
    check_has "$OUT" "Usage: "
done

# Options may stand on either side of the command.
if [ "$(id -u)" = 0 ]; then
    works "$STASIS" --json list --store "$STORE"
    check_eq "$(json d)" "{'checkpoints': [], 'moves': []}" "an empty store"
fi

# --json: the last line on standard error is one object, also for a command line that makes no sense.
for place in "--json frobnicate" "frobnicate --json" "list --json --frobnicate" "completion tcsh --json"; do
    # shellcheck disable=SC2086
    expect 2 "$STASIS" $place
    check_eq "$OUT" "" "standard output of: $place"
    tail -n 1 "$WORK/err" >"$WORK/out"
    check_eq "$(json '[d["type"], d["exit_code"], d["details"], d["log"]]')" "['error', 2, [], '']" "$place"
done
