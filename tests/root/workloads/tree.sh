# 200 tasks in sessions and process groups, each counting for itself. WORKLOAD_TASKS: how many.
# shellcheck shell=bash
. "$TESTS_DIR/status.sh"

tree_complete() { ! grep -qE '^0:|:0$' "$STATUS"; }

workload_setup() {
    status_bundle tree /status "${WORKLOAD_TASKS:-200}"
    status_start
    wait_for 30 "all tasks to count" tree_complete
}

workload_work() {
    status_work
    wait_for 10 "the new task to count" tree_complete
}

workload_state() { cat "$STATUS"; }

# Lines pid:session:group:counter. All counters must have grown since EXPECTED, all else is the same.
tree_grew() {
    join -t : -j 1 <(grep : <<<"$1" | sort -t : -k 1,1) <(grep : "$STATUS" | sort -t : -k 1,1) |
        awk -F : '$2 != $5 || $3 != $6 || $7 <= $4 { bad++ } END { exit !(NR == tasks && !bad) }' \
            tasks="$(field tasks "$1")"
}

workload_verify() { # EXPECTED
    wait_for 20 "each of the tasks to count on, in its session and group" tree_grew "$1"
    status_same "$1" work nonce tasks
    check_eq "$(status_field mismatches)" 0 "mismatches of private and shared memory"
    # One more is the zombie that nobody waits for.
    check_eq "$(container_tasks "$ID" | wc -l)" $(($(field tasks "$1") + 1)) "tasks seen from outside"
}

workload_teardown() { rc delete --force "$ID"; }
