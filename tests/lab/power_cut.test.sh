#!/usr/bin/env bash
# The power goes in the middle of stopping all, and again of restoring all. What the kernel had not written is lost.
. "$(dirname "$0")/lab.sh"

new_guest
pull_the_plug old cut_down
pull_the_plug new cut_up
boot new after_cuts
