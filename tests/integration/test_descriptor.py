# SPDX-License-Identifier: LGPL-2.1-or-later
"""AcquireDescriptor: a reference that lives as long as a descriptor, whoever has it."""

import errno
import os
import select
import signal
import socket
import time

import pytest

from checks import EVERYBODY, error_of, nothing_changes
from links import await_agreement, counter, ip
from names import (DENIED, INVALID, LIMIT, LINK, MANAGER, NEEDS_INTERACTION, NO_SUCH_REFERENCE, ROOT, link_path,
                   reference_path, uid_of)


@pytest.fixture
def holder(client, root):
    return client(descriptors=True)


class Child:
    """A process that inherits all that is inheritable, and lives until it is ended."""

    def __init__(self):
        self.pid = os.fork()
        if self.pid == 0:
            while True:
                signal.pause()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def is_held(root, id):
    """After the service had every chance to notice."""
    root.manager("ListLinks")
    return id in [r["Id"] for r in root.references()] and counter("v0") == 1


def ended(fd):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def test_it_is_one_unit_until_it_is_closed(root, index, holder):
    before = time.time_ns() // 1000
    id, path, fd = holder.acquire_descriptor(index, "mine")
    assert path == reference_path(id)
    [said] = root.references()
    assert before <= said.pop("AcquiredTimestamp") <= time.time_ns() // 1000
    assert said == {"Path": path, "InterfaceName": "v0", "Id": id, "Link": link_path(index), "Index": index,
                    "Owner": holder.unique, "UserId": 0, "ProcessId": holder.pid, "Reason": "mine",
                    "Lifetime": "descriptor", "ExpiresTimestamp": 0}
    assert is_held(root, id)
    assert not ended(fd)
    os.close(fd)
    assert root.await_released(id) == "descriptor-closed"
    assert counter("v0") == 0
    assert root.references() == []
    assert root.signals("InterfacesRemoved")[-1][0] == path


def test_each_copy_counts(root, index, holder):
    id, _, fd = holder.acquire_descriptor(index)
    copies = [fd, os.dup(fd), os.dup(fd)]
    child = Child()
    for copy in copies:
        assert is_held(root, id)
        os.close(copy)
    assert is_held(root, id)
    child.end()
    assert root.await_released(id) == "descriptor-closed"
    assert counter("v0") == 0


def test_in_flight(root, index, holder):
    """Sent, and not received by anybody yet."""
    id, _, fd = holder.acquire_descriptor(index)
    ours, theirs = socket.socketpair()
    socket.send_fds(ours, [b"+"], [fd])
    os.close(fd)
    ours.close()
    assert is_held(root, id)
    _, [fd], _, _ = socket.recv_fds(theirs, 1, 1)
    theirs.close()
    assert is_held(root, id)
    os.close(fd)
    assert root.await_released(id) == "descriptor-closed"


def test_the_caller_leaves_the_bus(root, index, holder):
    id, _, fd = holder.acquire_descriptor(index)
    holder.kill()
    root.bus("GetId")
    assert is_held(root, id)
    os.close(fd)
    assert root.await_released(id) == "descriptor-closed"


def test_a_caller_that_cannot_take_it(root, client, index):
    """One that has not agreed to descriptors with the bus: there is nobody to hold it."""
    caller = client()
    caller.send(link_path(index), LINK, "AcquireDescriptor", "sa{sv}", ("testing", {}))
    [body] = root.wait(lambda: root.signals("Released"), what="release")
    assert body == ("descriptor-closed",)
    assert root.references() == [] and counter("v0") == 0


@pytest.mark.parametrize("user", ["root", "caller1"])
def test_nobody_can_write(root, client, index, polkit, user):
    polkit.rules(EVERYBODY)
    holder = client(user, descriptors=True)
    id, _, fd = holder.acquire_descriptor(index)
    with pytest.raises(OSError) as e:
        os.write(fd, b"x")
    assert e.value.errno == errno.EBADF
    # Nor open it anew; root may open anything.
    if user != "root":
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setresuid(*[uid_of(user)] * 3)
                for flags in os.O_WRONLY, os.O_RDWR, os.O_RDONLY:
                    try:
                        os.open(f"/proc/self/fd/{fd}", flags | os.O_NONBLOCK)
                        status = 2
                        break
                    except PermissionError:
                        status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert is_held(root, id)
    os.close(fd)
    assert root.await_released(id) == "descriptor-closed"


def test_timeout(root, index, holder):
    id, _, fd = holder.acquire_descriptor(index, "short", {"timeout": ("t", 1000)})
    assert root.await_released(id) == "expired"
    assert counter("v0") == 0
    # The holder sees it.
    assert ended(fd)
    os.close(fd)


@pytest.mark.parametrize("by", ["link", "reference", "other"])
def test_release(root, client, index, holder, by):
    id, path, fd = holder.acquire_descriptor(index)
    if by == "reference":
        holder.call(path, LINK + ".Reference", "Release")
    else:
        (root if by == "other" else holder).release(index, id)
    assert root.await_released(id) == ("revoked" if by == "other" else "released")
    assert counter("v0") == 0
    assert ended(fd)
    assert error_of(holder.release, index, id)[0] == NO_SUCH_REFERENCE
    os.close(fd)
    root.settle()
    assert root.signals("Released") == [("revoked" if by == "other" else "released",)]


def test_the_link_goes(root, index, holder):
    id, _, fd = holder.acquire_descriptor(index)
    ip("link", "del", "v0")
    assert root.await_released(id) == "link-removed"
    assert ended(fd)
    os.close(fd)


def test_the_service_stops(root, service, index, holder):
    """(Without a descriptor store it takes all along.)"""
    id, _, fd = holder.acquire_descriptor(index)
    service.stop()
    assert root.await_released(id) == "service-stopped"
    assert counter("v0") == 0
    assert ended(fd)
    os.close(fd)


def test_refusals(root, client, index, holder, polkit):
    caller = client("caller1", descriptors=True)
    with nothing_changes(root, "v0"):
        assert error_of(holder.acquire_descriptor, index, "")[0] == INVALID
        assert error_of(holder.acquire_descriptor, index, "a\nb")[0] == INVALID
        assert error_of(holder.acquire_descriptor, index, "x", {"no": ("s", "such")})[0] == INVALID
        assert error_of(caller.acquire_descriptor, index)[0] in (DENIED, NEEDS_INTERACTION)
    polkit.rules(EVERYBODY)
    os.close(caller.acquire_descriptor(index)[2])


def test_limits(start, client, links, polkit):
    polkit.rules(EVERYBODY)
    index = links.veth()
    service = start("--references-per-user-max=2")
    root, caller = client().subscribe(), client("caller1", descriptors=True)
    await_agreement(root, "v0")
    before = len(os.listdir(f"/proc/{service.pid}/fd"))
    held = [caller.acquire_descriptor(index), caller.acquire_descriptor(index)]
    with nothing_changes(root, "v0"):
        assert error_of(caller.acquire_descriptor, index)[0] == LIMIT
        assert error_of(caller.acquire, index)[0] == LIMIT
    caller.kill()
    # They count for the user, who can have others' connections.
    caller = client("caller1", descriptors=True)
    assert error_of(caller.acquire, index)[0] == LIMIT
    for id, _, fd in held:
        os.close(fd)
        assert root.await_released(id) == "descriptor-closed"
    for _ in range(50):
        id, _, fd = caller.acquire_descriptor(index)
        os.close(fd)
        assert root.await_released(id) == "descriptor-closed"
    assert root.get(ROOT, MANAGER, "References") == 0 == counter("v0")
    # One socket is there now, and nothing else.
    assert len(os.listdir(f"/proc/{service.pid}/fd")) == before + 1
