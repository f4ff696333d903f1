# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures. Each test begins with the service stopped, and no unit has failed after it."""

import os
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "integration"))

from bus import Bus                                         # noqa: E402
from links import Links, await_agreement                    # noqa: E402
from polkit import Polkit                                   # noqa: E402
from units import SERVICE, await_stopped, systemctl, watch_units    # noqa: E402


def no_unit_failed():
    assert systemctl("--failed", "--legend=no", "--plain") == ""


@pytest.fixture(autouse=True)
def stopped():
    yield
    systemctl("stop", SERVICE)
    # A bus of this moment: a test may have restarted the one before.
    bus = watch_units(Bus())
    try:
        await_stopped(bus)
        no_unit_failed()
    finally:
        bus.kill()
        # The next test begins as if nothing had failed or been started before it.
        systemctl("reset-failed")


@pytest.fixture
def links():
    links = Links()
    yield links
    links.clean()


@pytest.fixture
def client():
    """client(user) → a new client of the bus."""
    clients = []

    def new(user="root"):
        clients.append(Bus(user))
        return clients[-1]
    yield new
    for c in clients:
        c.kill()


@pytest.fixture
def root(client):
    """A client of root's that has started the service and hears all of it."""
    bus = client().subscribe()
    bus.manager("ListLinks")
    return bus


@pytest.fixture
def index(root, links):
    """The index of v0, which the service knows; its peer is v1."""
    index = links.veth()
    await_agreement(root, "v0")
    await_agreement(root, "v1")
    return index


class MachinePolkit(Polkit):
    """polkitd under its own unit."""
    ACTIVATION = "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"


@pytest.fixture
def polkit():
    """polkitd with the installed actions and no rules of the test."""
    polkit = MachinePolkit()
    yield polkit
    polkit.rules("")
    polkit.end()
