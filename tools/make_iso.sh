#!/bin/sh
# SPDX-License-Identifier: MIT
# make_iso.sh IMAGE KERNEL ARCHIVE GRUB_CFG: one image for BIOS and UEFI, CD and stick.
set -eu
export TZ=UTC LC_ALL=C # the UEFI part's file system has local times
umask 022
image=$1 kernel=$2 archive=$3 configuration=$4
tree=$image.tree
rm -rf "$tree" && mkdir -p "$tree/boot/grub"
strip --strip-debug -o "$tree/boot/tabula.elf" "$kernel"
cp "$archive" "$tree/boot/boot.tar"
cp "$configuration" "$tree/boot/grub/grub.cfg"
find "$tree" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)
if ! grub-mkrescue -o "$image" \
    --install-modules="multiboot2 normal all_video serial part_msdos part_gpt iso9660 fat search boot configfile" \
    --locales= --fonts= --themes= "$tree" \
    -- -volume_date uuid "$date" -volume_date all_file_dates "$date" >"$image.log" 2>&1; then
    cat "$image.log" >&2
    exit 1
fi
# grub-mkrescue leaves UEFI out without a word when its files are not installed.
xorriso -indev "$image" -report_el_torito plain 2>/dev/null >"$image.boot"
for platform in BIOS UEFI; do
    grep -q "^El Torito boot img : .* $platform " "$image.boot" || {
        echo "$image has no $platform boot entry" >&2
        rm -f "$image"
        exit 1
    }
done

# mformat gives the UEFI part's file system a random serial number: the date takes its place. It
# stands behind the byte 0x29 of the boot sector (FAT specification, BS_VolID).
sector=$(awk '/^El Torito boot img : .* UEFI / { print $NF }' "$image.boot")
serial=$((sector * 2048 + 39))
[ "$(od -An -tx1 -j $((serial - 1)) -N 1 "$image" | tr -d ' ')" = 29 ] || {
    echo "$image: the UEFI part is no FAT file system" >&2
    exit 1
}
printf '%08x' "$SOURCE_DATE_EPOCH" | sed 's/../\\x&/g' | xargs -0 printf '%b' |
    dd of="$image" bs=1 seek="$serial" conv=notrunc status=none
rm -rf "$tree"
