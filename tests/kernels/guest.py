# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: each a virtual machine with another kernel, in which integration tests run. All of its file system
is in memory, and it has no network but what the tests make."""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../machine"))

import initramfs                                # noqa: E402
from image import CACHE                         # noqa: E402
from kernel import LACKING, RELEASES, kernel    # noqa: E402

TIMEOUT = 600
MEMORY = 1024       # MiB
SLOWNESS = "5"      # a guest is emulated
# What depends on the kernel, and takes a guest no longer than it is worth.
SUBSET = "test_ledger_scenarios.py", "test_views.py"


class Guest:
    def __init__(self, kernel, archives, arguments, directory):
        self.kernel = kernel
        place = f"{directory}/{kernel.name}-"
        self.console, self.output, self.results = place + "console", place + "output", place + "results"
        environment = {"PROMISC_TEST_SLOWNESS": SLOWNESS, "PROMISC_TEST_LACKING": LACKING[kernel.name]}
        initramfs.call(environment, ["--junit-prefix=" + kernel.name, *arguments], place + "call")
        with open(place + "initramfs", "wb") as f:
            for archive in *archives, place + "call", kernel.modules:
                with open(archive, "rb") as part:
                    shutil.copyfileobj(part, f)
                f.write(bytes(-f.tell() % 4))
        # Not KVM, which is not everywhere, and hangs in some virtual machines.
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "qemu64,+rdrand", "-smp", "1",
             "-m", str(MEMORY), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-kernel", kernel.image, "-initrd", f.name,
             "-append", "console=ttyS0 loglevel=5 panic=-1 mitigations=off",
             *(word for file in (self.console, self.output, self.results)
               for word in ("-serial", "file:" + file))],
            stdin=subprocess.DEVNULL)

    def finish(self, deadline):
        """Waits for its end. → exit status of the tests, results as XML or None"""
        try:
            self.process.wait(max(0.001, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print("It does not end.")
            self.process.kill()
            self.process.wait()
        with open(self.output, errors="replace") as f:
            print(f.read(), end="", flush=True)
        with open(self.results, errors="replace") as f:
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
        return initramfs.system(cache), [kernel(name, cache) for name in names]


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
    together = ET.Element("testsuites")
    failed = False
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        tests = directory + "/tests"
        initramfs.tests(options.build, tests)
        deadline = time.monotonic() + options.timeout
        guests = [Guest(kernel, (debian, tests), more, directory) for kernel in kernels]
        for guest in guests:
            print("== Linux", guest.kernel.release, flush=True)
            status, results = guest.finish(deadline)
            if results is not None:
                together.extend(results.iter("testsuite"))
            if status:
                failed = True
                guest.show_console()
    if options.junitxml:
        ET.ElementTree(together).write(options.junitxml)
    return failed


if __name__ == "__main__":
    sys.exit(main())
