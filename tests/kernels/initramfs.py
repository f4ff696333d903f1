# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest has for a file system, as archives: the Debian that machines boot, without what no test looks
at; what is tested, and the tests; how they are called."""

import hashlib
import os
import shlex

from archive import Archive
from image import image

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.realpath(HERE + "/../..")
THERE = "usr/src/promiscd"      # the source in a guest; below it also what is built, and the arguments
UNWANTED = ("boot", "dev", "home", "media", "mnt", "opt", "proc", "run", "srv", "sys", "tmp",
            "usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/perl5", "usr/share/zoneinfo",
            "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/python3.13/test", "var/cache", "var/lib/apt",
            "var/lib/dpkg", "var/log")
EMPTY = "dev", "mnt", "proc", "run", "sys", "var/log"


def system(cache):
    """The Debian, from the cache, whose lock the caller has."""
    debian = image()
    selection = hashlib.sha256(repr((UNWANTED, EMPTY)).encode()).hexdigest()[:12]
    ready = f"{cache}/{os.path.basename(debian)}-{selection}"
    if not os.path.exists(ready):
        with open(cache + "/making-system", "wb") as f, Archive(f) as archive:
            archive.tree(debian, leave=UNWANTED.__contains__)
            for directory in EMPTY:
                archive.add(directory, 0o40755)
            archive.add("tmp", 0o41777)
            # The kernel opens it before process 1 can mount anything.
            archive.add("dev/console", 0o20600, device=os.makedev(5, 1))
        os.rename(f.name, ready)
    return ready


def is_by_product(path):
    """Of a build, or of having run tests."""
    return path.endswith((".p", ".a", ".o", "__pycache__"))


def tests(build, file):
    with open(file, "wb") as f, Archive(f) as archive:
        archive.copy(HERE + "/init", "init")
        for part in "examples", "interface", "tests/integration", "tests/support":
            archive.directory(f"{THERE}/{part}")
            archive.tree(f"{SOURCE}/{part}", f"{THERE}/{part}", is_by_product)
        for part in "client", "examples", "interface", "meson-info", "policy", "service":
            archive.directory(f"{THERE}/build/{part}")
            archive.tree(f"{build}/{part}", f"{THERE}/build/{part}", is_by_product)


def call(environment, arguments, file):
    lines = [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
    lines.append("set -- " + shlex.join(arguments))
    with open(file, "wb") as f, Archive(f) as archive:
        archive.add(THERE + "/arguments", 0o100644, "".join(line + "\n" for line in lines).encode())
