#!/usr/bin/env bash
# What podman.test.sh and podman_import.test.sh do, with containers that crun runs.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/crun.sh"

export PODMAN_RUNTIME=crun
for test in podman podman_import; do "${AROUND[@]}" bash "$TESTS_DIR/$test.test.sh"; done
