#!/usr/bin/env bash
# Signals and an expired --timeout at every stage: a dump gives up and the target runs on; from the
# commit point of a stop on, and in the whole of a restore, it is too late and they change nothing.
. "$(dirname "$0")/common.sh"
. "$TESTS_DIR/bundle.sh"
. "$TESTS_DIR/faults.sh"

code_of() { if [ "$1" = INT ]; then echo 130; else echo 143; fi; } # SIGNAL

given_up() { # CODE LEAST
    local code=$1 before=$2
    check_eq "$CODE" "$code" "exit code ($ERR)"
    assert_runs "$before"
    check_eq "$(checkpoints)" "" "checkpoints after giving up"
    fault_says "target runs"
    expect_exit 0 stasis snapshot "$TARGET" next
    assert_no_leftovers
    expect_exit 0 stasis delete "$TARGET" next
}

signal_in_dump() { # SIGNAL AT COMMAND...
    local before
    before=$(count)
    with_fault "$2" FAULT_KILL=stasis "FAULT_SIGNAL=$1" -- "${@:3}"
    given_up "$(code_of "$1")" "$before"
}

timeout_in_dump() { # AT COMMAND...
    local before
    before=$(count)
    with_fault "$1" "FAULT_DO=sleep 4.5" -- --timeout 4 "${@:2}"
    VICTIM="the deadline passed"
    grep -q -- --timeout <<<"$ERR" || fail "the timeout is not named: $ERR"
    given_up 1 "$before"
}

signal_in_restore() { # SIGNAL AT
    local before
    before=$(count)
    expect_exit 0 stasis stateful-stop "$TARGET"
    with_fault "$2" FAULT_KILL=stasis "FAULT_SIGNAL=$1" -- restore "$TARGET"
    check_eq "$CODE" 0 "exit code ($ERR)"
    track_tree
    assert_runs "$before"
    fault_says "target runs"
    assert_no_leftovers
    forget_checkpoints
}

too_late_in_stop() { # AT SIGNAL
    local before stop
    before=$(count)
    with_fault "$1" FAULT_KILL=stasis "FAULT_SIGNAL=$2" -- stateful-stop "$TARGET"
    check_eq "$CODE" 0 "exit code ($ERR)"
    stop=$(newest_stop)
    expect_exit 0 stasis restore "$TARGET"
    track_tree
    assert_runs "$before"
    fault_says "restored from $stop"
    assert_no_leftovers
    forget_checkpoints
}

TREE=()
runc_target
signal_in_dump INT start:asked snapshot "$TARGET" struck
signal_in_dump TERM pre-dump:asked snapshot "$TARGET" struck
signal_in_dump HUP pre-dump:answered snapshot "$TARGET" struck
signal_in_dump INT network-lock:asked snapshot "$TARGET" struck
signal_in_dump TERM post-dump:asked snapshot "$TARGET" struck
signal_in_dump INT pre-dump:answered stateful-stop "$TARGET"
signal_in_dump HUP network-lock:answered stateful-stop "$TARGET"
signal_in_dump TERM post-dump:asked stateful-stop "$TARGET"
timeout_in_dump pre-dump:answered snapshot "$TARGET" struck
timeout_in_dump post-dump:asked stateful-stop "$TARGET"
too_late_in_stop post-dump:answered INT
too_late_in_stop post-dump:done TERM
signal_in_restore INT start:asked
signal_in_restore TERM post-setup-namespaces:asked
signal_in_restore HUP post-restore:asked
rc delete --force "$ID"

tree_target
signal_in_dump INT query-ext-files:asked snapshot "$TARGET" struck
signal_in_dump TERM post-dump:asked stateful-stop "$TARGET"
too_late_in_stop post-dump:answered HUP
signal_in_restore INT start:asked
signal_in_restore TERM pre-restore:asked
signal_in_restore HUP post-restore:asked
signal_in_restore TERM pre-resume:asked
faults_total 20
