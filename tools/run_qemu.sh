#!/bin/sh
# SPDX-License-Identifier: MIT
# run_qemu.sh IMAGE [QEMU WORDS...]: the console in this terminal, and a window where one can open.
# Ctrl-A X ends QEMU.
set -eu
image=$1
shift
display=none
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    for kind in sdl gtk; do
        if qemu-system-x86_64 -display help | grep -qx "$kind"; then display=$kind; fi
    done
fi
exec qemu-system-x86_64 -machine accel=kvm:tcg -cpu max -m 512M -cdrom "$image" \
    -serial mon:stdio -display "$display" -no-reboot "$@"
