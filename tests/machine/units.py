# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service as systemd and the journal have it."""

import ctypes
import json
import os
import socket

from bus import BusError
from links import run
from names import DBUS, NAME

SERVICE = "promisc.service"
SOCKET = "promisc.socket"
SYSTEMD = "org.freedesktop.systemd1"
FIRST_PASSED = 3
PIDFD_GETFD = 438       # on all architectures


def systemctl(*words):
    return run("systemctl", *words).decode().strip()


def show(unit, name):
    return systemctl("show", f"--property={name}", "--value", unit)


def main_pid():
    return int(show(SERVICE, "MainPID"))


def process_status(pid):
    """/proc/PID/status"""
    with open(f"/proc/{pid}/status") as f:
        return {key: value.strip() for key, value in (line.split(":", 1) for line in f)}


def descriptors(pid):
    return {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")}


def passed_socket(pid):
    """→ its name in /proc, a copy of it"""
    pidfd = os.pidfd_open(pid)
    try:
        fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, FIRST_PASSED, 0)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        return os.readlink(f"/proc/{pid}/fd/{FIRST_PASSED}"), socket.socket(fileno=fd)
    finally:
        os.close(pidfd)


def journal(*words):
    """The entries, each a dictionary, after all that was logged until now has arrived."""
    run("journalctl", "--sync")
    return [json.loads(line) for line in run("journalctl", "--output=json", *words).splitlines()]


def journal_cursor():
    return run("journalctl", "--lines=0", "--show-cursor").decode().split("-- cursor: ")[1].strip()


def watch_units(bus):
    """From here on the client hears what happens to units."""
    bus.subscribe(f"type='signal',sender='{SYSTEMD}'")
    bus.call("/org/freedesktop/systemd1", SYSTEMD + ".Manager", "Subscribe", to=SYSTEMD)
    return bus


def await_stopped(watcher):
    """Until systemd has nothing left to do, and nothing but a call can start the service."""
    def stopped():
        states = {show(unit, "ActiveState") for unit in (SERVICE, SOCKET)}
        assert "failed" not in states
        return states == {"inactive"} and \
            not systemctl("list-jobs", "--legend=no", "--plain").replace("No jobs running.", "")
    watcher.wait(stopped, what="stopped service and socket")


def watch_service(bus):
    """From here on the client hears who has the service's name."""
    return bus.subscribe(f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{NAME}'")


def await_service(watcher, other_than=None):
    """The unique name of the service, once it is on the bus. A call would start it; this does not."""
    def owner():
        try:
            name = watcher.bus("GetNameOwner", "s", NAME)[0]
        except BusError:
            return None
        return name if name != other_than else None
    return watcher.wait(owner, what="service on the bus")
