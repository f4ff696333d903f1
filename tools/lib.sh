# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# What tools/demo and tools/test share. To be sourced.
set -euo pipefail

# Debian's own programs, whatever else the caller has in front of them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
unset CC CFLAGS CPPFLAGS LDFLAGS DESTDIR

tree=$(readlink -e "$(dirname "${BASH_SOURCE[0]}")/..")

build_packages=(gcc libc6-dev libmnl-dev libsystemd-dev meson pkgconf)
# With what names the functions in the trace of a failure.
fuzz_packages=(clang libclang-rt-dev llvm)
sandbox_packages=(dbus-daemon dbus-system-bus-common iproute2 net-tools polkitd systemd tcpdump util-linux)

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# install_packages PACKAGE…: those of them that are missing. No question is asked and no service started.
install_packages() {
    local missing=() package policy=/usr/sbin/policy-rc.d
    for package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    echo "Installing ${missing[*]}"
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        remove_at_exit+=("$policy")
    fi
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get -q update &&
            apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
    } >"$work/packages.log" 2>&1 </dev/null || {
        tail -n 30 "$work/packages.log" >&2
        fail "Cannot install the packages."
    }
    rm -f "${remove_at_exit[@]:1}"
}

start() {
    [[ $(id -u) == 0 ]] || fail "Must be root: it installs packages and makes network namespaces."
    [[ -x /usr/bin/apt-get ]] || fail "Needs Debian 12 or later, for its packages."

    # Not in the tree, which may not be ours to write to, and where other users may not be able to look.
    work=$(mktemp -d /var/tmp/promiscd.XXXXXX)
    chmod 755 "$work"
    remove_at_exit=("$work")
    trap 'rm -rf "${remove_at_exit[@]}"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
