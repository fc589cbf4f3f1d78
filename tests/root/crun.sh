# Sourced after common.sh: the containers of this test are crun's, of one that is built with CRIU.
# shellcheck shell=bash

export PATH=${STASIS_CRUN_PREFIX:-/opt/stasis/crun}/bin:$PATH
[[ $(crun --version 2>&1) == *+CRIU* ]] || skip_machine "there is no crun with CRIU (scripts/install-crun)"
# crun does not start where a controller is in the second hierarchy of a hybrid host, and looks for them here.
CONTROLLERS=/sys/fs/cgroup/unified/cgroup.controllers
AROUND=()
! grep -q . "$CONTROLLERS" 2>/dev/null ||
    AROUND=(unshare --mount --propagation slave sh -c 'mount --bind /dev/null "$0" && exec "$@"' "$CONTROLLERS")
# shellcheck disable=SC2034
RUNTIME=crun START=("${AROUND[@]}" crun)
