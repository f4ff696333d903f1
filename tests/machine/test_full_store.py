# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd keeps fewer descriptors than the service could need."""

import pytest

from away import KernelMonitor, crash, drop_in, no_drop_ins
from checks import error_of
from links import await_agreement, counter
from names import LIMIT
from units import SERVICE, show, systemctl, watch_service

IN_A_SOCKET = 64


@pytest.fixture(params=[1, 2])
def room(request):
    """So many are kept."""
    drop_in("store", f"FileDescriptorStoreMax={request.param}")
    yield request.param
    no_drop_ins()


def test_what_does_not_fit_is_refused(room, root, index, links):
    """Held by the process alone, it would be lost with it; that each that was granted is not, crashes show."""
    watch_service(root)
    tun = links.tun("t0")
    await_agreement(root, "t0")
    monitor = KernelMonitor(index)
    ids = [root.acquire(tun)[0] for _ in range(room)]
    ids += [root.acquire(index)[0] for _ in range(room * (IN_A_SOCKET - 1))]
    for _ in range(2):
        before = root.references()
        assert [r["Id"] for r in before] == ids
        for link in tun, index:
            error, message = error_of(root.acquire, link)
            assert error == LIMIT and "FileDescriptorStoreMax" in message
        assert (counter("t0"), counter("v0")) == (room, room * (IN_A_SOCKET - 1))
        assert int(show(SERVICE, "NFileDescriptorStore")) == room
        assert root.references() == before
        crash(root)
        assert root.references() == before
    assert monitor.steps() == [*range(1, room * (IN_A_SOCKET - 1) + 1)]
    # What is let go makes room.
    root.release(tun, ids.pop(0))
    ids.append(root.acquire(tun)[0])
    systemctl("restart", SERVICE)
    assert [r["Id"] for r in root.references()] == ids
    monitor.close()

