#!/usr/bin/env bash
# A new kernel, and back: all containers stopped with their state, power off, another kernel, all restored.
. "$(dirname "$0")/lab.sh"

echo "== upgrade"
new_guest
boot old down
boot new up
echo "== downgrade"
new_guest
boot new down
boot old up
