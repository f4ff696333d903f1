# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is held outlives any number of crashes, and whatever else makes systemd start the service anew."""

import pytest

from away import KernelMonitor, crash, drop_in, no_drop_ins
from links import counter, ip
from units import (SERVICE, SOCKET, await_service, journal, journal_cursor, show, systemctl, watch_service,
                   watch_units)

TURNS = 30      # more than systemd's limits allow by themselves


@pytest.fixture
def held(root, index):
    """(a client that hears of the service, what it holds, what the kernel says of the link from here on)"""
    watch_units(watch_service(root))
    for _ in range(3):
        root.acquire(index)
    monitor = KernelMonitor(index)
    yield root, root.references(), monitor
    monitor.close()
    no_drop_ins()


def test_thirty_crashes_in_a_row(held):
    root, references, monitor = held
    drop_in("quick", "RestartSec=10ms")
    for _ in range(TURNS):
        crash(root)
    assert int(show(SERVICE, "NRestarts")) == TURNS
    assert root.references() == references
    assert monitor.steps() == []
    assert counter("v0") == 3


def test_it_cannot_start_for_a_while(held):
    """Neither a crash loop nor the events that start it meanwhile cost anything; and it is not silent."""
    root, references, monitor = held
    before, cursor = await_service(root), journal_cursor()
    drop_in("broken", "ExecStartPre=/bin/false", "RestartSec=20ms")
    crash(root, comes_back=False)
    for n in range(TURNS):
        ip("link", "set", "v1", "mtu", 1400 + n)
        root.wait(lambda wanted=n: int(show(SERVICE, "NRestarts")) > wanted, what="another try")
    failures = [e["MESSAGE"] for e in journal(f"--after-cursor={cursor}", f"UNIT={SERVICE}", "--priority=warning")]
    assert len([line for line in failures if "Failed with result 'exit-code'" in line]) >= TURNS - 1
    assert show(SOCKET, "ActiveState") == "active"
    assert monitor.steps() == [] and counter("v0") == 3
    no_drop_ins()
    await_service(root, other_than=before)
    assert root.references() == references
    assert monitor.steps() == []
    # The socket is the one that was there before it, so that nothing was lost.
    assert [e for e in journal(f"--after-cursor={cursor}", f"UNIT={SOCKET}")] == []


@pytest.mark.parametrize("what", [["restart", SOCKET], ["daemon-reexec"], ["daemon-reload"]], ids=lambda what: what[0])
def test_systemd_starts_anew(held, what):
    root, references, monitor = held
    before = await_service(root)
    systemctl(*what)
    if what[0] == "restart":
        await_service(root, other_than=before)
    crash(root)
    assert root.references() == references
    assert monitor.steps() == []
