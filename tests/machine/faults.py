# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults in the service, at a place that the test says: tests/support/faults.c is preloaded into it."""

import mmap
import os
import struct

from away import drop_in, no_drop_ins

LIBRARY = "/usr/lib/promiscd-test/faults.so"
CONTROL = "/run/faults"

NONE, KILL, FAIL = range(3)
FILE, DESCRIPTOR, MEMBERSHIP, MEMORY, OTHER = (1 << n for n in range(5))
CALLS = FILE | DESCRIPTOR | MEMBERSHIP | OTHER


class Faults:
    """From the next start of the service on. One fault at a time, which happens once."""

    LAYOUT = "IIIiI36s36sq"

    def __init__(self):
        with open(CONTROL, "wb") as f:
            f.write(bytes(struct.calcsize(self.LAYOUT)))
        os.chmod(CONTROL, 0o666)
        with open(CONTROL, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), struct.calcsize(self.LAYOUT))
        drop_in("faults", f"Environment=LD_PRELOAD={LIBRARY} FAULTS={CONTROL}", f"ReadWritePaths={CONTROL}",
                "RestartSec=10ms")

    def fields(self):
        return struct.unpack_from(self.LAYOUT, self.map)

    def arm(self, fault, at, classes=CALLS, error=0, after=""):
        """At the how manieth of such calls, from 1: from now on, or from when a function is called."""
        struct.pack_into("IIiI36s36s", self.map, 4, classes, at, error, 0, b"", after.encode())
        struct.pack_into("I", self.map, 0, fault)

    def disarm(self):
        """→ the function that it hit, or None"""
        fault, *_, name, _, _ = self.fields()
        struct.pack_into("I", self.map, 0, NONE)
        return name.rstrip(b"\0").decode() if fault == NONE else None

    def set_clock(self, seconds):
        """CLOCK_REALTIME, as the service has it, against that of everybody else."""
        struct.pack_into("q", self.map, struct.calcsize("IIIiI36s36s0q"), seconds)

    def remove(self):
        self.disarm()
        self.set_clock(0)
        no_drop_ins()
        self.map.close()
        os.unlink(CONTROL)

