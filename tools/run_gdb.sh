#!/bin/sh
# SPDX-License-Identifier: MIT
# run_gdb.sh KERNEL ARCHIVE [KERNEL WORDS...]: the kernel in QEMU under gdb, stopped before its
# first instruction. Serial output goes to build/gdb.serial.
set -eu
kernel=$1 archive=$2
shift 2
directory=$(dirname "$0")
socket=$(mktemp -u /tmp/tabula-gdb.XXXXXX)
qemu-system-x86_64 -cpu max -m 512M -no-reboot -display none -serial file:build/gdb.serial \
    -kernel "$kernel" -initrd "$archive" -append "$*" \
    -chardev "socket,path=$socket,server=on,wait=off,id=gdb" -gdb chardev:gdb -S &
qemu=$!
trap 'kill "$qemu" 2>/dev/null; rm -f "$socket"' EXIT INT TERM
while [ ! -S "$socket" ]; do sleep 0.05; done
gdb -q "$kernel" -x "$directory/tabula.gdb" -ex "target remote $socket" -ex "hbreak arch_start" \
    ${GDB_COMMANDS:+-batch -x "$GDB_COMMANDS"}
