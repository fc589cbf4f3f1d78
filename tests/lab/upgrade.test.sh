#!/usr/bin/env bash
# A new kernel, and back: all containers stopped with their state, power off, another kernel, all restored.
. "$(dirname "$0")/lab.sh"

new_guest
boot old down
boot new up_and_down
boot old up
