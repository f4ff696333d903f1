#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints each change of an interface's promiscuity counter. Only root may monitor the system bus.
set -o pipefail # busctl's failure is the script's
match="type='signal',sender='org.example.Promisc',member='PromiscuityChanged'"

name_of() { # a link's name, without JSON's quoting; its path if it has gone
    busctl --json=short get-property org.example.Promisc "$1" org.example.Promisc Name 2>/dev/null |
        sed 's/.*"data":"\(.*\)"}$/\1/; s/\\\(["\\]\)/\1/g' || echo "$1"
}

busctl --json=short --match="$match" monitor |
    sed -un 's/.*"path":"\([^"]*\)".*"data":\[\([0-9]*\),\([0-9]*\),[0-9]*,"\([a-z]*\)"\].*/\1 \2 \3 \4/p' |
    while read -r path old new source; do
        printf '%s %s -> %s (%s)\n' "$(name_of "$path")" "$old" "$new" "$source"
    done
