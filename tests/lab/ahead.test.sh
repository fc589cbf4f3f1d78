#!/usr/bin/env bash
# Memory is copied before the freeze where the kernel can tell what changes after that, which not every machine's can.
. "$(dirname "$0")/lab.sh"

new_guest
boot old ahead
new_guest
boot new ahead_packed
