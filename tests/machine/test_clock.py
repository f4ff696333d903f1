# SPDX-License-Identifier: LGPL-2.1-or-later
"""The clock set back by a year, and forward again: timeouts go on, and what outlives the service is what it was."""

import time

import pytest

from away import Away, KernelMonitor, crash
from faults import Faults
from links import PacketSocket, counter
from names import LINK, link_path
from units import SERVICE, systemctl, watch_service

SECOND = 10**6
YEAR = 365 * 24 * 3600
HOUR = {"timeout": ("t", 3600 * SECOND)}
SHORT = {"timeout": ("t", SECOND)}


def now(clock):
    return time.clock_gettime_ns(clock) // 1000


@pytest.fixture(params=[(0, -YEAR), (-YEAR, 0)], ids=["back", "forward"])
def setting(request):
    """(what sets the clock, how far it is off before, and after). The machine's own is also the one of whoever runs it."""
    faults = Faults()
    before, after = request.param
    faults.set_clock(before)
    yield lambda: faults.set_clock(after), before * SECOND, after * SECOND
    systemctl("stop", SERVICE)
    faults.remove()


def assert_acquired(root, index, off):
    """A new one has the time of now, by that clock."""
    begin = now(time.CLOCK_REALTIME) + off
    id = root.acquire(index, "now", HOUR)[0]
    end = now(time.CLOCK_REALTIME) + off
    shown = [r for r in root.references() if r["Id"] == id][0]
    assert begin <= shown["AcquiredTimestamp"] <= end
    assert shown["ExpiresTimestamp"] == shown["AcquiredTimestamp"] + 3600 * SECOND
    root.release(index, id)


def assert_expires(root, id, begin):
    """A second after it was acquired, as the machine counts seconds."""
    assert root.await_released(id) == "expired"
    assert now(time.CLOCK_BOOTTIME) - begin >= SECOND


@pytest.mark.parametrize("how", ["runs", "crashes", "restarts", "away"])
def test_timeouts_and_times(setting, root, index, how):
    watch_service(root)
    set_clock, off, off_then = setting
    assert_acquired(root, index, off)
    before = [root.acquire(index)[0], root.acquire(index, "hour", HOUR)[0]]
    shown = root.references()
    begin = now(time.CLOCK_BOOTTIME)
    short = root.acquire(index, "short", SHORT)[0]
    monitor = KernelMonitor(index)
    if how == "away":
        with Away(root):
            set_clock()
    else:
        set_clock()
    if how == "crashes":
        crash(root)
    elif how == "restarts":
        systemctl("restart", SERVICE)
    assert_expires(root, short, begin)
    assert root.references() == shown
    assert [r["Id"] for r in shown] == before
    assert monitor.steps() == [2]
    assert_acquired(root, index, off_then)
    monitor.close()


def test_time_of_the_link(setting, root, index):
    set_clock, off, off_then = setting
    for offset in off, off_then:
        begin = now(time.CLOCK_REALTIME) + offset
        with PacketSocket() as sock:
            sock.add(index)
            root.wait(lambda: root.get(link_path(index), LINK, "Promiscuous"), what="promiscuous")
            assert begin <= root.get(link_path(index), LINK, "PromiscuousTimestamp") <= \
                now(time.CLOCK_REALTIME) + offset
        root.wait(lambda: not root.get(link_path(index), LINK, "Promiscuous"), what="not promiscuous")
        if offset == off:
            set_clock()
    assert counter("v0") == 0
