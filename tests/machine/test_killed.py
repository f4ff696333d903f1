# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service killed between what it did and what it told."""

import os
import signal

import pytest

from away import KernelMonitor
from links import PacketSocket, counter, ip_batch
from names import LINK, link_path
from units import SERVICE, await_service, journal, journal_cursor, main_pid, process_status, show, watch_service

LOST = "ended while the service was away"


@pytest.fixture
def watcher(root):
    return watch_service(root)


def kill_when(condition):
    pid = main_pid()
    while not condition():
        pass
    os.kill(pid, signal.SIGKILL)


def lost_since(cursor):
    return [e["MESSAGE"] for e in journal(f"--after-cursor={cursor}", f"--unit={SERVICE}") if LOST in e["MESSAGE"]]


def test_owner_that_vanished_with_the_service(watcher, index, client):
    """All its units are dropped first, then each end is told: killed in between, the reason stays the same."""
    for _ in range(20):
        cursor = journal_cursor()
        owner, monitor = client(), KernelMonitor(index)
        ids = [owner.acquire(index)[0] for _ in range(200)]
        before = await_service(watcher)
        seen = monitor.steps()
        assert seen[-1] == 200
        owner.kill()
        kill_when(lambda: 0 in monitor.steps())
        await_service(watcher, other_than=before)
        monitor.close()
        assert watcher.references() == [] and counter("v0") == 0
        causes = {id: watcher.await_released(id) for id in ids}
        assert set(causes.values()) == {"owner-vanished"}
        if lost_since(cursor):
            return
    raise AssertionError("it was never killed between the two")


class Stopped:
    """with Stopped(pid): the process does nothing meanwhile."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *error):
        os.kill(self.pid, signal.SIGCONT)


def await_asleep(pid):
    while not process_status(pid)["State"].startswith("S"):
        pass


def test_changes_that_never_left(watcher, links, index):
    """The bus daemon takes nothing any more, and the service is killed with changes in its own queue: what the next one
    tells goes on from the last that was heard."""
    pid, daemon = main_pid(), int(show("dbus.service", "MainPID"))
    before, since = await_service(watcher), watcher.mark()
    monitor = KernelMonitor(index)
    with PacketSocket() as sock:
        with Stopped(daemon):
            # More than the daemon's socket has room for. Then steps, fewer than it looks after them for.
            ip_batch(f"link add a{n} type veth peer name b{n}" for n in range(200))
            await_asleep(pid)
            for _ in range(7):
                sock.add(index)
                sock.drop(index)
            sock.add(index)
            await_asleep(pid)
            os.kill(pid, signal.SIGKILL)
        await_service(watcher, other_than=before)
        assert monitor.steps() == [1, 0] * 7 + [1]
        monitor.close()
        assert watcher.get(link_path(index), LINK, "Promiscuity") == 1
        watcher.settle()
        steps = watcher.signals("PromiscuityChanged", path=link_path(index), since=since)
        assert steps[0][0] == 0 and steps[-1][1] == 1
        assert [old for old, *_ in steps[1:]] == [new for _, new, *_ in steps[:-1]]
    ip_batch(f"link del a{n}" for n in range(200))
