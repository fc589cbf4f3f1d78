# Sourced after common.sh: the containers of this test are crun's, of one that is built with CRIU.
# shellcheck shell=bash

export PATH=${STASIS_CRUN_PREFIX:-/opt/stasis/crun}/bin:$PATH
[[ $(crun --version 2>&1) == *+CRIU* ]] || skip_machine "there is no crun with CRIU (scripts/install-crun)"
RUNTIME=crun START=(crun)
# crun does not start where a controller is in the second hierarchy of a hybrid host, and looks for them here.
CONTROLLERS=/sys/fs/cgroup/unified/cgroup.controllers
! grep -q . "$CONTROLLERS" 2>/dev/null ||
    START=(unshare --mount --propagation slave
        sh -c 'mount --bind /dev/null "$0" && exec crun "$@"' "$CONTROLLERS")
