#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints each change of an interface's promiscuity counter. Only root may monitor the system bus.
match="type='signal',sender='org.example.Promisc',member='PromiscuityChanged'"

busctl --json=short --match="$match" monitor |
    sed -un 's/.*"path":"\([^"]*\)".*"data":\[\([0-9]*\),\([0-9]*\),[0-9]*,"\([a-z]*\)"\].*/\1 \2 \3 \4/p' |
    while read -r path old new source; do
        name=$(busctl get-property org.example.Promisc "$path" org.example.Promisc Name)
        name=${name#s \"}
        printf '%s %s -> %s (%s)\n' "${name%\"}" "$old" "$new" "$source"
    done
