#!/bin/sh
# SPDX-License-Identifier: MIT
# check_reproducible.sh: builds the image twice, in two directories, with other times, zones, locales and
# rights of new files, and compares every byte. What is built is the last commit; when nothing was changed
# since, this directory's build is the first of the two. CXX and -j come from make.
set -eu
cd "$(dirname "$0")/.."
started=$(date +%s)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
first=$PWD
second=$work/another-place/with-a-longer-name

# build DIRECTORY DAYS: the image of the last commit, made there, and as if that many days later.
build() {
    git clone -q --shared --no-checkout . "$1"
    git -C "$1" -c advice.detachedHead=false checkout -q HEAD
    make --no-print-directory -C "$1" all >/dev/null
    # Lint keeps the time of compilation out of sources; what makes the image is shown another.
    faketime -f "+$2d" make --no-print-directory -C "$1" iso >/dev/null
}

if [ -n "$(git status --porcelain)" ]; then
    first=$work/first
    (umask 022; TZ=UTC LC_ALL=C build "$first" 0)
fi
# A cache of the compiler would give one directory's objects to the other.
(export CCACHE_DISABLE=1; umask 077; TZ=Pacific/Chatham LC_ALL=C.UTF-8 build "$second" 400)

for file in kernel/tabula.elf boot.tar tabula.iso; do
    cmp "$first/build/$file" "$second/build/$file" || {
        echo "reproducible: build/$file differs between two directories" >&2
        exit 1
    }
done
echo "reproducible: $(sha256sum <"$first/build/tabula.iso" | cut -c1-64), $(($(date +%s) - started)) s"
