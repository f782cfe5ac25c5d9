#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the packages of tools/packages.txt that are missing; silent when there are none.
set -eu
list=$(sed -e 's/#.*//' "$(dirname "$0")/packages.txt")
missing=
# shellcheck disable=SC2086 # the list is words
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $list 2>/dev/null || true)
for package in $list; do
    case "
$installed
" in
    *"
$package installed
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "missing packages:$missing (and no sudo to install them with)" >&2
        exit 1
    }
    as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
