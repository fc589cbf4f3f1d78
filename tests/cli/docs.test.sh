#!/usr/bin/env bash
# Holds together, both ways, what stasis says of itself: the sources, --help, the manual pages, the
# completions and the README. What one of them has and another lacks is named, all of it at once.
#
# From the environment: STASIS (the tool), DOCS_ROOT (another tree than this one, to see this test fail).
set -Eeuo pipefail
export LC_ALL=C
trap 'echo "failed: ${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND" >&2' ERR

root=${DOCS_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
stasis=${STASIS:-$root/build/cmd/stasis}
manual=$root/man/stasis.8
store_manual=$root/man/stasis-store.5
failures=0

complain() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# need_in WHAT LIST NAME LIST-2: each line of the first list is in the second.
need_in() {
    local line
    [ -n "$2" ] || complain "no $1 found"
    while read -r line; do
        [ -z "$line" ] || complain "'$line' is among $1, but not among $3"
    done < <(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$4"))
}

same() { # WHAT LIST WHAT-2 LIST-2
    need_in "$1" "$2" "$3" "$4"
    need_in "$3" "$4" "$1" "$2"
}

# --- what the tool says ---

help_commands() { "$stasis" --help | sed -n '/^Subcommands:/,$s/^  \([a-z][a-z-]*\) .*/\1/p'; }

# Options of a command, or the global ones, short and long, one a line.
help_options() { # [COMMAND]
    "$stasis" "$@" --help | sed -n 's/^  \(-[a-z],\)\{0,1\}\(--[a-z][a-z-]*\).*/\1\2/p' | tr ',' '\n'
}

own_options() { help_options "$1" | grep -vxE -e '-h|--help' || true; }

# "snapshot TARGET [NAME]"
help_usage() { "$stasis" "$1" --help | sed -n "s/^Usage: .* $1 \[OPTIONS\]/$1/p"; }

# --- what the manual says ---

# plain: roff of one line as text
plain() { sed -E 's/^\.[A-Z]+ //; s/\\f[A-Z]//g; s/\\-/-/g; s/"//g'; }

# section PAGE NAME [SUBSECTION]: its lines of roff
section() {
    awk -v name="$2" -v sub_name="${3:-}" '
        /^\.SH / { here = ($0 == ".SH " name || $0 == ".SH \"" name "\""); inner = sub_name == ""; next }
        /^\.SS / && sub_name != "" {
            title = substr($0, 5)
            gsub(/"/, "", title)
            inner = index(title " ", sub_name " ") == 1
            next
        }
        here && inner' "$1"
}

# tags: of the lines of a section, those that .TP and .TQ make tags of, as text
tags() { awk 'tag { print; tag = 0 } /^\.T[PQ]/ { tag = 1 }' | plain; }

# bold: the words of a section that are printed bold
bold() { sed -nE 's/^\.B[RI]? ([^ ]+).*/\1/p; s/^\.RB [^ ]+ ([^ ]+).*/\1/p' | plain | tr -d ','; }

option_names() { { grep -oE -e '(^|[ ,])--?[a-z][a-z-]*' || true; } | tr -d ' ,'; }

manual_titles() { awk '/^\.SH / { here = /^\.SH COMMANDS/ } here && /^\.SS /' "$manual" | plain; }

# --- the checks ---

check_commands() {
    local command
    same "commands of --help" "$commands" "commands of stasis.8" "$(manual_titles | cut -d' ' -f1)"
    need_in "commands of --help" "$commands" "those in the SYNOPSIS of stasis.8" \
        "$(section "$manual" SYNOPSIS | plain | sed -n 's/^stasis \([a-z-]*\).*/\1/p')"
    for command in $commands; do
        need_in "usages in --help" "$(help_usage "$command")" "titles in stasis.8" "$(manual_titles)"
    done
}

check_options() {
    local command
    same "global options of --help" "$globals" "GLOBAL OPTIONS of stasis.8" \
        "$(section "$manual" "GLOBAL OPTIONS" | tags | option_names)"
    for command in $commands; do
        local ours theirs
        ours=$(own_options "$command")
        theirs=$(section "$manual" COMMANDS "$command" | tags | option_names)
        [ -n "$ours$theirs" ] || continue
        same "options of '$command --help'" "$ours" "options of '$command' in stasis.8" "$theirs"
    done
}

check_bash_completion() {
    local command
    # shellcheck disable=SC2016  # expanded by the shell whose completion it is
    completed() { # WORD...: what bash offers for the last one
        bash -c 'eval "$("$0" completion bash)"
            COMP_WORDS=(stasis "$@") COMP_CWORD=$#
            _stasis
            printf "%s\n" "${COMPREPLY[@]}"' "$stasis" "$@"
    }
    same "commands and global options of --help" "$commands"$'\n'"$long_globals" "what bash completes" "$(completed '')"
    for command in $commands; do
        same "options of '$command --help', and global ones" "$(own_options "$command")"$'\n'"$long_globals" \
            "what bash completes after '$command'" "$(completed "$command" -- | grep -x -e '--.*')"
    done
}

check_zsh_completion() {
    local script command theirs
    script=$("$stasis" completion zsh)
    ! command -v zsh >/dev/null || zsh -n <(echo "$script") || complain "zsh can't read its completion"
    same "commands of --help" "$commands" "commands in zsh's completion" \
        "$(sed -n "s/^        '\([a-z-]*\):.*/\1/p" <<<"$script")"
    same "global options of --help" "$long_globals" "global options in zsh's completion" \
        "$(sed -n 's/^    compadd -- //p' <<<"$script" | tr ' ' '\n')"
    for command in $commands; do
        theirs=$(sed -n "s/^        $command) compadd -- \(.*\) ;;/\1/p" <<<"$script" | tr ' ' '\n')
        same "options of '$command --help'" "--help"$'\n'"$(own_options "$command")" \
            "options of '$command' in zsh's completion" "$theirs"
    done
}

check_fish_completion() {
    local script command theirs
    script=$("$stasis" completion fish)
    ! command -v fish >/dev/null || fish --no-execute <(echo "$script") || complain "fish can't read its completion"
    same "commands of --help" "$commands" "commands in fish's completion" \
        "$(sed -n 's/.*__fish_use_subcommand -a \([a-z-]*\) .*/\1/p' <<<"$script")"
    same "global options of --help" "$long_globals" "global options in fish's completion" \
        "$(grep -v __fish_ <<<"$script" | sed -n 's/^complete .*-l \([a-z-]*\).*/--\1/p')"
    for command in $commands; do
        theirs=$(sed -n "s/.*__fish_seen_subcommand_from $command' -l \([a-z-]*\).*/--\1/p" <<<"$script")
        same "options of '$command --help'" "--help"$'\n'"$(own_options "$command")" \
            "options of '$command' in fish's completion" "$theirs"
    done
}

check_exit_codes() {
    local codes
    codes=$(sed -nE 's/^    k[A-Za-z]+ = ([0-9]+),.*/\1/p' "$root/cmd/exit_code.h")
    same "codes in cmd/exit_code.h" "$codes" "EXIT STATUS in stasis.8" "$(section "$manual" "EXIT STATUS" | tags)"
    same "codes in cmd/exit_code.h" "$codes" "exit codes in README.md" \
        "$(sed -nE 's/^\| *([0-9]+) *\|.*/\1/p' "$root/README.md")"
}

check_environment() {
    same "variables that the sources read" \
        "$(grep -rhoE '(getenv|envname)\("[A-Z_]+"\)' "$root/cmd" "$root/lib" | grep -oE '[A-Z_]{2,}')" \
        "ENVIRONMENT in stasis.8" "$(section "$manual" ENVIRONMENT | tags)"
}

# Keys of the documents that the commands print: {"key", value}. A value that is a literal makes it a list of words.
source_keys() { sed 's/{{/{/g' "$@" | grep -ohE '\{"[a-z_]+", [^"]' | grep -oE '[a-z_]+' | grep -vx '.'; }

check_json() {
    local sources keys page
    mapfile -t sources < <(find "$root/cmd" -name '*.cc' ! -name main.cc | sort)
    keys=$(source_keys "${sources[@]}")
    # The failure's own line can be had without root.
    keys+=$'\n'$({ "$stasis" --json no-such-command 2>&1 >/dev/null || true; } | tail -n 1 |
        grep -oE '"[a-z_]+":' | tr -d '":')
    page=$(section "$manual" "OUTPUT AND JSON")
    need_in "JSON keys in cmd/" "$keys" "OUTPUT AND JSON in stasis.8" "$(bold <<<"$page")"
    need_in "keys in OUTPUT AND JSON in stasis.8" "$(tags <<<"$page")" "JSON keys in cmd/" "$keys"
}

# Ids of blockers and warnings: the first word in what is pushed, the second in rows of a table.
# What is chosen as an option of CRIU is pushed as well.
pushed_ids() { cat "$@" | tr -s ' \n' ' ' | sed 's/options\.push_back//g' | grep -oE 'push_back\( ?\{(.id = )?"[a-z_-]+",' | grep -oE '"[^"]+"' | tr -d '"'; }

check_blockers() {
    local sources ids rows
    mapfile -t sources < <(find "$root/lib/inspect" -name '*.cc' ! -name warnings.cc ! -name options.cc)
    ids=$(pushed_ids "${sources[@]}" "$root/lib/ops/examine.cc")
    rows=$(grep -hoE '^    \{"[^"]+", "[a-z_-]+", ' "$root/lib/inspect/files.cc" | grep -oE '"[a-z_-]+", $' | grep -oE '[a-z_-]+')
    same "ids in lib/inspect and lib/ops/examine.cc" "$ids"$'\n'"$rows"$'\n'exec \
        "BLOCKERS in stasis.8" "$(section "$manual" BLOCKERS | tags)"
    same "ids of warnings" "$(pushed_ids "$root"/lib/inspect/warnings.cc "$root"/lib/ops/{dump,lost_mounts}.cc)" \
        "WARNINGS in stasis.8" "$(section "$manual" WARNINGS | tags)"
}

check_manifest() {
    local sources=("$root"/lib/store/{manifest,expectations}.cc) keys page
    keys=$(source_keys "${sources[@]}" && grep -ohE 'json\["[a-z_]+"\]' "${sources[@]}" | grep -oE '"[a-z_]+"' | tr -d '"')
    page=$(section "$store_manual" MANIFEST)
    need_in "keys of the manifest" "$keys" "MANIFEST in stasis-store.5" "$(bold <<<"$page")"
    need_in "keys in MANIFEST in stasis-store.5" "$(tags <<<"$page")" "keys of the manifest" "$keys"
    same "formats in lib/store/manifest.h" \
        "$(sed -n 's/^constexpr int kFormat = \([0-9]*\);/\1/p' "$root/lib/store/manifest.h")" \
        "formats in stasis-store.5" "$(sed -n 's/^This page describes format \([0-9]*\)\.$/\1/p' "$store_manual")"
}

check_version() {
    local page
    for page in "$manual" "$store_manual"; do
        same "versions of --version" "$("$stasis" --version)" "versions of ${page##*/}" \
            "$(sed -n 's/^\.TH .*"\(stasis [^"]*\)".*/\1/p' "$page")"
    done
}

check_roff() {
    local page said
    for page in "$manual" "$store_manual"; do
        if command -v groff >/dev/null; then
            said=$(groff -ww -man -Tutf8 -z "$page" 2>&1) || true
            [ -z "$said" ] || complain "groff: $said"
        elif [ "${STASIS_REQUIRE_ALL:-}" = 1 ]; then
            complain "groff is not installed (package groff-base)"
        fi
        ! command -v mandoc >/dev/null || said=$(mandoc -T lint -W warning "$page" 2>&1) || complain "$said"
    done
}

commands=$(help_commands)
globals=$(help_options)
long_globals=$(grep -x -e '--.*' <<<"$globals")

check_commands
check_options
check_bash_completion
check_zsh_completion
check_fish_completion
check_exit_codes
check_environment
check_json
check_manifest
check_blockers
check_version
check_roff
[ "$failures" -eq 0 ] || exit 1
