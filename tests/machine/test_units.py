# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stops, restarts, crashes."""

import os
import signal
import subprocess

import pytest

from bus import Bus
from units import (SERVICE, SOCKET, await_service, await_stopped, journal, journal_cursor, main_pid,
                   passed_socket, show, systemctl, watch_service, watch_units)


class Storm:
    """Link events, one after the other, by somebody else."""

    PIPE = 1 << 16

    def __init__(self, name):
        self.lines = "".join(f"link set {name} mtu {mtu}\n" for mtu in (1400, 1401)).encode()
        self.process = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, bufsize=0)

    def go_on(self):
        """When this returns many have come, and more are on their way."""
        self.process.stdin.write(self.lines * (2 * self.PIPE // len(self.lines)))

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


@pytest.fixture
def storm(links):
    links.veth()
    storm = Storm("v0")
    yield storm
    storm.end()


def starts(cursor):
    """What systemd said of starts since."""
    return [entry["MESSAGE"].split()[0]
            for entry in journal(f"--after-cursor={cursor}", f"UNIT={SERVICE}", "JOB_TYPE=start")]


@pytest.mark.parametrize("turn", range(5))
def test_stopped_is_stopped_in_a_storm(client, storm, turn):
    watcher = watch_units(client())
    watcher.manager("ListLinks")
    since = journal_cursor()
    storm.go_on()
    systemctl("stop", SERVICE)
    storm.go_on()
    await_stopped(watcher)
    storm.go_on()
    await_stopped(watcher)
    assert starts(since) == []
    # Until somebody calls.
    watcher.manager("ListLinks")
    assert starts(since) == ["Starting", "Started"]


def test_a_restart_keeps_the_netlink_socket(root):
    before = main_pid()
    name, passed = passed_socket(before)
    passed.close()
    systemctl("restart", SERVICE)
    after = main_pid()
    assert after not in (0, before)
    same_name, passed = passed_socket(after)
    passed.close()
    assert same_name == name


def test_ten_quick_restarts(root):
    invocations = {show(SERVICE, "InvocationID")}
    for _ in range(10):
        systemctl("restart", SERVICE)
        invocations.add(show(SERVICE, "InvocationID"))
    assert len(invocations) == 11
    assert [show(unit, "ActiveState") for unit in (SERVICE, SOCKET)] == ["active", "active"]
    root.manager("ListLinks")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV], ids=lambda how: how.name)
def test_it_comes_back_after_a_crash(root, how):
    watch_service(root)
    before = await_service(root)
    os.kill(main_pid(), how)
    await_service(root, other_than=before)
    assert show(SERVICE, "NRestarts") == "1"
    assert [name for _, name, _ in root.manager("ListLinks")[0]] == ["lo"]


def test_it_comes_back_with_the_bus(root):
    systemctl("restart", "dbus.service")
    watcher = watch_service(Bus())
    await_service(watcher)
    assert show(SERVICE, "NRestarts") == "1"
    assert [name for _, name, _ in watcher.manager("ListLinks")[0]] == ["lo"]
    watcher.kill()
