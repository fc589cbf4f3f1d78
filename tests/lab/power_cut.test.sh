#!/usr/bin/env bash
# The power goes in the middle: of stopping all, and of restoring all. What the kernel had not written is lost.
. "$(dirname "$0")/lab.sh"

echo "== while all are being stopped"
new_guest
pull_the_plug old cut_down
boot new after_cut_down

echo "== while all are being restored"
new_guest
boot old down
pull_the_plug new cut_up
boot new after_cut_up
