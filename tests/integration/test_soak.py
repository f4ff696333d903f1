# SPDX-License-Identifier: LGPL-2.1-or-later
"""An hour's work as fast as it can be done: afterwards the service has what it had before, to the descriptor and the byte."""

import collections
import json
import mmap
import os
import signal
import struct
import time
from contextlib import contextmanager

import pytest

from checks import rule
from crowd import AT_A_TIME, Call, Crowd, Letting
from links import await_agreement, counter
from names import BUILD, DBUS, DEADLINE, LINK, MANAGER, NEEDS_INTERACTION, ROOT, SLOWNESS, link_path

# With sanitizers, which are slow, fewer; what nobody knows of any more they find themselves, when the service ends.
PAIRS = 100000 if SLOWNESS == 1 else 5000
PASSES = "--resync-sec=0.02"        # more than by default in an hour

CONNECTIONS = 4
AT_ONCE = CONNECTIONS * AT_A_TIME   # are held or on their way, and never more
WARM = AT_ONCE + AT_ONCE // 4       # but to begin with: what grows by need is then as large as it will ever be,
QUEUED = 25 * AT_ONCE               # what sd-bus has its messages in, too; a call makes five, an end fewer
QUESTIONS = 8                       # about a user that polkit is asked at a time
HOUR = 3600 * 10**6

LIBRARY = BUILD + "/tests/support/heap.so"
COUNTS = "/run/heap"
LAYOUT = "QQ"


def has_sanitizer():
    with open(BUILD + "/meson-info/intro-buildoptions.json") as f:
        return next(o["value"] for o in json.load(f) if o["name"] == "b_sanitize") not in ("none", [])


@pytest.fixture
def heap():
    """(what to start the service with, heap() → blocks and bytes that it has). A sanitizer has a heap of its own."""
    if has_sanitizer():
        yield [], lambda: None
        return
    with open(COUNTS, "wb+") as f:
        f.write(bytes(struct.calcsize(LAYOUT)))
        f.flush()
        os.chmod(COUNTS, 0o666)
        with mmap.mmap(f.fileno(), struct.calcsize(LAYOUT)) as counts:
            yield ["env", f"LD_PRELOAD={LIBRARY}", f"HEAP={COUNTS}"], lambda: struct.unpack(LAYOUT, counts)
    os.unlink(COUNTS)


def descriptors(pid):
    """How many of what."""
    return collections.Counter(os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd"))


def steady(ask):
    """The first answer that comes twice: a pass of the timer, too, has descriptors and memory while it lasts."""
    before = None
    while before != (before := ask()):
        pass
    return before


def until_equal(ask, wanted):
    """Asks until it is so. What the service frees when it has answered is free at the next answer."""
    end = time.monotonic() + DEADLINE
    while (value := ask()) != wanted:
        assert time.monotonic() < end, f"{value}, not {wanted}"


def queue_messages(service, daemon, holder, index):
    """More than there will ever be while the bus daemon has no time for them."""
    os.kill(daemon, signal.SIGSTOP)
    try:
        holder.burst(index, QUEUED)
        service.await_asleep()
    finally:
        os.kill(daemon, signal.SIGCONT)


class Soak:
    """As many references as one likes, of each kind of beginning and end."""

    def __init__(self, root, index, client):
        self.root, self.index = root, index
        self.holder = client(descriptors=True)
        self.release = Call(link_path(index), LINK, "Release", "t", (0,))

    def acquire(self, timeout=0):
        return Call(link_path(self.index), LINK, "Acquire", "sa{sv}", ("soaking", {"timeout": ("t", timeout)}))

    def await_none(self):
        until_equal(lambda: self.root.get(ROOT, MANAGER, "References"), 0)

    @contextmanager
    def crowd(self, user="root", **how):
        crowd = Crowd(CONNECTIONS, user, **how)
        yield crowd
        crowd.leave()
        self.await_none()

    def released(self, count, user="root", at_a_time=5000):
        with self.crowd(user, kind=Letting) as crowd:
            for c in crowd.connections:
                c.release = self.release
            assert crowd.send_some_at_a_time([self.acquire()] * count, at_a_time) == {None: 2 * count}

    def asked(self, count):
        self.released(count, "caller1", QUESTIONS)

    def refused(self, count):
        with self.crowd("caller2") as crowd:
            assert crowd.send_some_at_a_time([self.acquire()] * count, QUESTIONS) == {NEEDS_INTERACTION: count}

    def vanished(self, count, at_once=AT_ONCE, timeout=0):
        for n in range(0, count, at_once):
            some = min(at_once, count - n)
            with self.crowd() as crowd:
                assert crowd.send([self.acquire(timeout)] * some) == {None: some}

    def expired(self, count):
        with self.crowd() as crowd:
            for n in range(0, count, AT_ONCE):
                some = min(AT_ONCE, count - n)
                assert crowd.send([self.acquire(1)] * some) == {None: some}
                self.await_none()

    def closed(self, count, at_once=AT_ONCE):
        for n in range(0, count, at_once):
            for fd in [self.holder.acquire_descriptor(self.index)[2] for _ in range(min(at_once, count - n))]:
                os.close(fd)
            self.await_none()

    def all(self, count):
        few = count // 50
        for kind in self.asked, self.refused, self.vanished, self.expired, self.closed:
            kind(few)
        self.released(count - 5 * few)


def test_nothing_leaks(start, client, links, polkit, heap, holder):
    polkit.rules(rule("subject.user == 'caller1'"))
    prefix, allocated = heap
    service = start(PASSES, prefix=prefix)
    root, index = client(), links.veth()
    await_agreement(root, "v0")

    def counts():
        root.get(ROOT, MANAGER, "References")
        service.pause()
        try:
            return descriptors(service.pid), allocated(), counter("v0")
        finally:
            service.resume()
    queue_messages(service, root.bus("GetConnectionUnixProcessID", "s", DBUS)[0], holder(), index)
    soak = Soak(root, index, client)
    soak.vanished(WARM, WARM, HOUR)
    soak.closed(WARM, WARM)
    soak.all(1000)
    before = steady(counts)
    soak.all(PAIRS)
    until_equal(counts, before)
