#!/usr/bin/env bash
# Completion scripts: right for their shells, and with every command and option in them.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

for shell in bash zsh fish; do
    works "$STASIS" completion "$shell"
    cp "$WORK/out" "$WORK/$shell"
    for word in snapshot stateful-stop restore move-to-host check list info verify delete bug-report completion with-volumes console-socket runc-root; do
        check_has "$OUT" "$word"
    done
    for word in receive rsync-transport selftest-target prepare-network run-with-mount; do check_hasnt "$OUT" "$word"; done
    if command -v $shell >/dev/null; then $shell -n "$WORK/$shell" || fail "$shell can't read its completions"; fi
done

# complete WORDS...: what bash offers for the last one.
complete_words() (
    # shellcheck disable=SC1091
    . "$WORK/bash"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _stasis
    echo "${COMPREPLY[*]}"
)
check_eq "$(complete_words stasis snap)" snapshot "completion of snap"
check_eq "$(complete_words stasis st)" stateful-stop "completion of st"
check_eq "$(complete_words stasis restore web --repl)" --replace "completion of --repl"
check_eq "$(complete_words stasis snapshot web --repl)" "" "snapshot has no --replace"
check_eq "$(complete_words stasis --js)" --json "completion of --js"
check_eq "$(complete_words stasis --json res)" restore "a command after an option"
check_eq "$(complete_words stasis completion '')" "$(complete_words stasis completion '')" "no crash on an empty word"
