# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: each a virtual machine with another kernel, in which integration tests run. All of its file system
is in memory, and it has no network but what the tests make."""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.realpath(HERE + "/../..")
sys.path.append(HERE + "/../machine")

from archive import Archive                     # noqa: E402
from image import CACHE, image                  # noqa: E402
from kernel import RELEASES, kernel, tool       # noqa: E402

TIMEOUT = 300
MEMORY = 1024       # MiB
SUBSET = ["test_links.py"]
THERE = "usr/src/promiscd"      # the source in a guest, and below it what is built and the arguments
# Of the Debian that machines boot, what no test looks at.
UNWANTED = {"boot", "home", "media", "mnt", "opt", "proc", "run", "srv", "sys", "tmp", "dev", "usr/share/doc",
            "usr/share/locale", "usr/share/man", "usr/share/zoneinfo", "usr/share/perl5",
            "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/python3.13/test", "var/cache", "var/lib/apt",
            "var/lib/dpkg", "var/log"}
EMPTY = "dev", "mnt", "proc", "run", "sys", "var/log"
# Unpacked or emulated code is slow: deadlines are of no interest here but to end.
SLOWNESS = "5"


def system(cache):
    """An archive of the Debian."""
    debian = image()
    ready = f"{cache}/{os.path.basename(debian)}"
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


def by_product(path):
    """What a build has for itself."""
    return path.endswith((".p", ".a", ".o"))


def tests(build, arguments, file):
    """Writes an archive of what is tested, the tests, and how they are to be called."""
    with open(file, "wb") as f, Archive(f) as archive:
        archive.copy(HERE + "/init", "init")
        archive.directory(THERE)
        for part in "examples", "interface", "tests/integration", "tests/support":
            archive.directory(f"{THERE}/{part}")
            archive.tree(f"{SOURCE}/{part}", f"{THERE}/{part}", lambda path: path.endswith("__pycache__"))
        for part in "client", "examples", "interface", "policy", "service":
            archive.directory(f"{THERE}/build/{part}")
            archive.tree(f"{build}/{part}", f"{THERE}/build/{part}", by_product)
        archive.add(THERE + "/arguments", 0o100644,
                    f"set -- {shlex.join(arguments)}\nexport PROMISC_TEST_SLOWNESS={SLOWNESS}\n".encode())


class Guest:
    def __init__(self, kernel, archives, directory):
        self.kernel = kernel
        self.console, self.output, self.results = (f"{directory}/{kernel.name}-{name}" for name in
                                                   ("console", "output", "results"))
        initrd = f"{directory}/{kernel.name}-initrd"
        with open(initrd, "wb") as f:
            for archive in *archives, kernel.modules:
                with open(archive, "rb") as part:
                    shutil.copyfileobj(part, f)
                f.write(bytes(-f.tell() % 4))
        # KVM is not everywhere, and hangs in some virtual machines.
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "qemu64,+rdrand", "-smp", "1",
             "-m", str(MEMORY), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-kernel", kernel.image, "-initrd", initrd,
             "-append", "console=ttyS0 loglevel=7 panic=-1 mitigations=off",
             *(word for file in (self.console, self.output, self.results)
               for word in ("-serial", "file:" + file))],
            stdin=subprocess.DEVNULL)

    def finish(self, deadline):
        """Waits for its end. → exit status of the tests, results as XML or None"""
        try:
            self.process.wait(max(0.001, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print("It did not end in time.")
            self.process.kill()
            self.process.wait()
        with open(self.output, errors="replace") as f:
            print(f.read(), end="", flush=True)
        with open(self.results) as f:
            status, _, results = f.read().partition("\n")
        try:
            return int(status), ET.fromstring(results)
        except (ValueError, ET.ParseError):
            return 1, None

    def show_console(self):
        with open(self.console, errors="replace") as f:
            print("-- its console:", f.read(), "--", sep="\n", flush=True)


def prepare(names):
    cache = CACHE + "/kernels"
    os.makedirs(cache, exist_ok=True)
    with open(cache + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return system(cache), [kernel(name, cache) for name in names]


def main():
    parser = argparse.ArgumentParser(description="All other options are pytest's.")
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("--kernel", action="append", choices=list(RELEASES))
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS")
    parser.add_argument("--junitxml", metavar="FILE")
    options, more = parser.parse_known_args()
    if not any(".py" in argument for argument in more):
        more += [f"tests/integration/{file}" for file in SUBSET]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    debian, kernels = prepare(options.kernel or RELEASES)
    failed = False
    together = ET.Element("testsuites")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        tests(options.build, more, directory + "/tests")
        deadline = time.monotonic() + options.timeout
        guests = [Guest(kernel, (debian, directory + "/tests"), directory) for kernel in kernels]
        for guest in guests:
            print("== Linux", guest.kernel.release, flush=True)
            status, results = guest.finish(deadline)
            if results is not None:
                for suite in results.iter("testsuite"):
                    suite.set("name", guest.kernel.release)
                    together.append(suite)
            if status:
                failed = True
                guest.show_console()
    if options.junitxml:
        ET.ElementTree(together).write(options.junitxml)
    return failed


if __name__ == "__main__":
    sys.exit(main())
