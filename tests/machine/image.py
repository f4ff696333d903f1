# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian that machines boot: made once, never written to again."""

import fcntl
import glob
import hashlib
import os
import subprocess

SUITE = "trixie"
PACKAGES = ("dbus", "iproute2", "kmod", "libmnl0", "libpam-systemd", "libsystemd0", "net-tools", "polkitd",
            "python3-jeepney", "python3-pytest", "systemd", "systemd-sysv", "tcpdump")
CACHE = os.environ.get("PROMISC_MACHINE_CACHE") or "/var/cache/promiscd-machine"


def mirror():
    """Where apt gets Debian from on this machine."""
    for _ in range(2):
        uris = subprocess.check_output(["apt-get", "indextargets", "--format", "$(REPO_URI)",
                                        "Created-By: Packages", "Label: Debian"], text=True).split()
        if uris:
            return uris[0]
        # It knows labels only from indexes, and a new machine may have none.
        subprocess.run(["apt-get", "-q", "update"], check=True)
    raise SystemExit("apt has no source of Debian packages here.")


def remove(directory):
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def image():
    """→ its directory. Whoever finds it half made (under another name) makes it anew."""
    ready = f"{CACHE}/{SUITE}-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}"
    os.makedirs(CACHE, exist_ok=True)
    with open(f"{CACHE}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(ready):
            making = f"{CACHE}/making"
            remove(making)
            print("Making", ready, flush=True)
            subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE,
                            making, mirror()], check=True)
            for package in glob.glob(f"{making}/var/cache/apt/archives/*.deb"):
                os.unlink(package)
            os.rename(making, ready)
    return ready
