# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernels: fetched once, and of each what a guest without hardware can use."""

import glob
import hashlib
import lzma
import os
import subprocess
import tarfile
from collections import namedtuple

from archive import Archive
from image import mirror, remove

RELEASES = {"6.1": "bookworm", "6.12": "trixie"}
# Of what tests/integration/ledger_scenarios.py asks for.
LACKING = {"6.1": "hsr", "6.12": ""}
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"     # debootstrap's
# Modules below `kernel`: what links of software need, and no other driver.
WANTED = ("net/", "lib/", "crypto/", "arch/x86/crypto/", "drivers/net/bonding/", "drivers/net/ipvlan/",
          "drivers/net/team/", "drivers/net/vxlan/")
UNWANTED = "net/bluetooth/", "net/ceph/", "net/mac80211/", "net/sunrpc/", "net/wireless/", "lib/test"

Kernel = namedtuple("Kernel", "name release image modules")


def tool(*command, **more):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **more)


def fetch(release, directory):
    """The package of a release's newest kernel, by an apt of its own, whatever this machine's release is."""
    for place in "lists/partial", "archives/partial":
        os.makedirs(f"{directory}/{place}")
    with open(f"{directory}/sources.list", "w") as f:
        f.write(f"deb [arch=amd64 signed-by={KEYS}] {mirror()} {release} main\n")
    with open(f"{directory}/status", "w"):
        pass
    settings = {"Dir::State": directory, "Dir::State::status": directory + "/status",
                "Dir::Cache": directory, "Dir::Etc::SourceParts": "/dev/null",
                "Dir::Etc::SourceList": directory + "/sources.list",
                "Acquire::Languages": "none", "APT::Architecture": "amd64", "APT::Sandbox::User": "root"}
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    tool("apt-get", "-q", *options, "update")
    depends = tool("apt-cache", *options, "depends", "--important", "linux-image-amd64",
                   stdout=subprocess.PIPE, text=True).stdout
    tool("apt-get", "-q", *options, "download", depends.split("Depends: ")[1].split()[0], cwd=directory)
    package, = glob.glob(glob.escape(directory) + "/*.deb")
    return package


def is_wanted(module):
    directory, name = os.path.split(module)
    return directory == "drivers/net" or module.startswith(WANTED) and not module.startswith(UNWANTED)


def files_of(package):
    """(path, content) of what is used of it. A module comes without its compression: unpacking is quicker
    here than in a guest."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as dpkg, \
            tarfile.open(fileobj=dpkg.stdout, mode="r|") as tar:
        for member in tar:
            path = member.name.removeprefix("./").removeprefix("usr/")
            _, kernel, module = path.partition("/kernel/")
            if not member.isfile() or not path.startswith(("boot/vmlinuz-", "lib/modules/")) or \
                    kernel and not is_wanted(module):
                continue
            content = tar.extractfile(member).read()
            if path.endswith(".xz"):
                path, content = path.removesuffix(".xz"), lzma.decompress(content)
            yield path, content


def unpack(package, directory):
    """The kernel as `image`, its modules as the archive `modules`."""
    root = directory + "/root"
    for path, content in files_of(package):
        if path.startswith("boot/"):
            release = path.removeprefix("boot/vmlinuz-")
            path = "../image"
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        with open(f"{root}/{path}", "wb") as f:
            f.write(content)
    tool("depmod", "-b", root, release)
    with open(directory + "/modules", "wb") as f, Archive(f) as archive:
        archive.tree(root + "/lib", "usr/lib")
    with open(directory + "/release", "w") as f:
        f.write(release)
    remove(root)


def kernel(name, cache):
    """That kernel, from the cache, whose lock the caller has. A half made one is made anew."""
    selection = hashlib.sha256(repr((WANTED, UNWANTED)).encode()).hexdigest()[:12]
    ready = f"{cache}/linux-{name}-{selection}"
    if not os.path.isdir(ready):
        making = cache + "/making"
        remove(making)
        print("Fetching Linux", name, flush=True)
        os.makedirs(making + "/ready")
        unpack(fetch(RELEASES[name], making + "/apt"), making + "/ready")
        os.rename(making + "/ready", ready)
        remove(making)
    with open(ready + "/release") as f:
        return Kernel(name, f.read(), ready + "/image", ready + "/modules")
