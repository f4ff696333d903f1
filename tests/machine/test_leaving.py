# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service leaves to systemd when its process goes."""

import os
import signal

import pytest

from away import SOCKET_CONTROL, crash, drop_in, no_drop_ins
from bus import Signal
from leaving import Leaving
from links import PacketSocket, await_agreement, counter
from units import (SERVICE, SOCKET, await_service, await_stopped, descriptors, journal, journal_cursor, main_pid,
                   show, systemctl, watch_service, watch_units)

SYSTEMD_PID = 1


def packet_sockets(pid):
    """Those that the process has open."""
    with open("/proc/net/packet") as f:
        inodes = {line.split()[-1] for line in f.readlines()[1:]}
    return {name for name in descriptors(pid) if name.removeprefix("socket:[").rstrip("]") in inodes}


@pytest.fixture
def sockets(root, links):
    """A service with more than one packet socket: a tun takes one for each reference."""
    index = links.tun("t0")
    await_agreement(root, "t0")
    for _ in range(5):
        root.acquire(index)
    sockets = packet_sockets(main_pid())
    assert len(sockets) >= 5 and sockets == packet_sockets(SYSTEMD_PID)
    return sockets


def test_systemd_does_not_close_what_a_stop_leaves(root, sockets):
    """Each packet socket costs whoever has it last 12 ms, and the machine waits for systemd."""
    with Leaving(main_pid()) as leaving:
        systemctl("stop", "--no-block", SERVICE)
        leaving.await_exit()
        assert packet_sockets(SYSTEMD_PID) == set()


@pytest.mark.parametrize("how", [lambda: systemctl("restart", "--no-block", SERVICE),
                                 lambda: os.kill(main_pid(), signal.SIGKILL),
                                 lambda: os.kill(main_pid(), signal.SIGSEGV)],
                         ids=["restart", "SIGKILL", "SIGSEGV"])
def test_systemd_keeps_what_others_leave(root, sockets, how):
    before = await_service(watch_service(root))
    with Leaving(main_pid()) as leaving:
        how()
        leaving.await_exit()
        assert packet_sockets(SYSTEMD_PID) >= sockets
    await_service(root, other_than=before)
    assert packet_sockets(main_pid()) >= sockets
    assert counter("t0") == 5
    assert packet_sockets(SYSTEMD_PID) == packet_sockets(main_pid())


@pytest.fixture
def small_buffer():
    """More than 92 messages are too many for it."""
    drop_in("small-buffer", "ReceiveBuffer=64K", directory=SOCKET_CONTROL, section="Socket")
    yield
    no_drop_ins()


@pytest.fixture
def overrun(index):
    """overrun() → the kernel has more to say than there is room for, and the counter of v0 is one more."""
    with PacketSocket() as sock:
        def overrun():
            sock.burst(index, 1000)
            sock.add(index)
        yield overrun


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("turn", range(3))
def test_an_overrun_while_it_stops(root, index, overrun, turn):
    """systemd polls the socket between the end of the service and its own."""
    watcher = watch_units(root)
    cursor = journal_cursor()
    with Leaving(main_pid()) as leaving:
        systemctl("stop", "--no-block", SERVICE)
        leaving.await_exit()
        overrun()
    await_stopped(watcher)
    assert [e["MESSAGE"] for e in journal(f"--after-cursor={cursor}", f"UNIT={SOCKET}", "--priority=warning")] == []
    assert show(SOCKET, "Result") == "success"


def changes_since(root, since):
    root.settle()
    return [(old, new, source) for old, new, _, source in root.signals("PromiscuityChanged", since=since)]


def assert_chained(changes, first, last):
    assert [old for old, *_ in changes] == [first, *(new for _, new, _ in changes[:-1])]
    assert changes[-1][1] == last


@pytest.mark.usefixtures("small_buffer")
def test_an_overrun_between_two(root, index, overrun):
    """After a process that could take leave: nothing but what was too much is lost."""
    watch_service(root)
    id = root.acquire(index)[0]
    before, since, cursor = await_service(root), root.mark(), journal_cursor()
    with Leaving(main_pid()) as leaving:
        systemctl("restart", "--no-block", SERVICE)
        leaving.await_exit()
        overrun()
    await_service(root, other_than=before)
    assert root.await_signal("Resynchronized", since=since)[0] == "restart"
    assert_chained(changes_since(root, since), 1, 2)
    assert [r["Id"] for r in root.references()] == [id]
    assert counter("v0") == 2


@pytest.mark.usefixtures("small_buffer")
def test_an_overrun_and_a_crash(root, index, overrun):
    """The error stands on the socket that the killed one leaves, and fails its unit: it comes anew."""
    watch_service(root)
    id = root.acquire(index)[0]
    before, since = await_service(root), root.mark()
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    overrun()
    os.kill(pid, signal.SIGKILL)
    await_service(root, other_than=before)
    assert root.await_signal("Resynchronized", since=since) == ("restart", 1)
    assert changes_since(root, since) == [(1, 2, "resync")]
    assert [r["Id"] for r in root.references()] == [id]
    assert root.signals("Released", since=since) == []
    assert counter("v0") == 2
    assert [show(unit, "ActiveState") for unit in (SERVICE, SOCKET)] == ["active", "active"]
    # And hears of what comes.
    since = root.mark()
    root.release(index, id)
    assert changes_since(root, since) == [(2, 1, "event")]


class Toggling:
    """Somebody who changes the counter without end, in a process of its own: far more than the service can be told."""

    def __init__(self, index):
        self.pid = os.fork()
        if self.pid == 0:
            with PacketSocket() as sock:
                while True:
                    sock.burst(index, 1000)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def assert_chained_but_for_crashes(root, since, first, last):
    """A change that was just being sent when the service was killed can come again: nobody knows whether it was heard."""
    root.settle()
    before = first, first
    crashed = False
    for s in root.log[since:]:
        if isinstance(s, Signal) and s.member == "NameOwnerChanged":
            crashed = True
        elif isinstance(s, Signal) and s.member == "PromiscuityChanged":
            old, new, *_ = s.body
            assert old == before[1] or (crashed and old == before[0])
            before, crashed = (old, new), False
    assert before[1] == last


@pytest.mark.usefixtures("small_buffer")
def test_crashes_in_a_storm_of_overruns(root, index):
    """Whenever its socket fails, and whatever systemd is just doing then."""
    watch_service(root)
    drop_in("quick", "RestartSec=10ms")
    id = root.acquire(index)[0]
    since = root.mark()
    toggling = Toggling(index)
    try:
        for _ in range(10):
            crash(root)
    finally:
        toggling.end()
    assert [r["Id"] for r in root.references()] == [id]
    assert root.signals("Released", since=since) == []
    root.wait(lambda: root.link(index)["Promiscuity"] == 1, what="end of the storm")
    assert_chained_but_for_crashes(root, since, 1, 1)
    # The socket can have failed while the service, which has it open, goes on. With the next one it is back.
    systemctl("restart", SERVICE)
    assert [show(unit, "ActiveState") for unit in (SERVICE, SOCKET)] == ["active", "active"]
    root.release(index, id)
    assert counter("v0") == 0
