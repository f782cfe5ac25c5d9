#!/bin/sh
# SPDX-License-Identifier: MIT
# get_peer_kernel.sh PACKAGE.txt OUTPUT: the kernel out of the Debian package that PACKAGE.txt names.
# The package is unpacked, not installed.
set -eu
package=$(sed -e 's/#.*//' "$1" | tr -d '[:space:]')
output=$2
folder=$(mktemp -d "$(dirname "$output")/peer.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# -o: apt's own user may not be able to write here.
download() { (cd "$folder" && apt-get -o APT::Sandbox::User=root -q download "$package") >"$folder/log" 2>&1; }

if ! download; then
    # Perhaps the lists are old, or not there.
    as_root=
    if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then as_root=sudo; fi
    $as_root apt-get update -q >/dev/null 2>&1 || true
    download || {
        cat "$folder/log" >&2
        echo "bench-peers: cannot get the Debian package $package, which has the kernel to measure" \
            "(named in $1). It needs the network and Debian's security archive; nothing else does." >&2
        exit 1
    }
fi
dpkg-deb -x "$folder"/*.deb "$folder/files"
cp "$folder"/files/boot/vmlinuz-* "$output"
echo "  kernel   $package"
