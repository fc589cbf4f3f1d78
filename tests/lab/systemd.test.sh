#!/usr/bin/env bash
# The units themselves: a host with systemd is shut down under one kernel and comes up under another.
. "$(dirname "$0")/lab.sh"

new_guest
boot old unit_down /sbin/init
boot new unit_up /sbin/init
