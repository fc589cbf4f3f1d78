#!/usr/bin/env bash
# Memory is copied before the freeze where the kernel can tell what changes after that, which not every machine's can.
. "$(dirname "$0")/lab.sh"

for kernel in old new; do
    new_guest
    boot "$kernel" ahead
done
