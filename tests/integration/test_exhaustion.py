# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody uses up without end: the service goes on, and others do not notice."""

import json

import pytest

from bus import BusError
from checks import EVERYBODY, error_of
from links import await_agreement, counter, index_of, ip, ip_batch
from names import (DBUS, DBUS_ERROR, DENIED, INVALID, LIMIT, LINK, NEEDS_INTERACTION, OBJECT_MANAGER, ROOT,
                   link_path)
from polkit import UNANSWERED

FEW_DESCRIPTORS = ["prlimit", "--nofile=1024:1024"]


def test_calls_with_descriptors(start, client, links, polkit):
    """A call that waits would keep what came with it: 12,800 in all."""
    service = start(prefix=FEW_DESCRIPTORS)
    root = client()
    index = links.veth()
    await_agreement(root, "v0")
    callers = [client("caller1", descriptors=True) for _ in range(200)]
    with open("/dev/null") as f:
        call = link_path(index), LINK, "Acquire", "sa{sv}", ("x", {})
        calls = [(c, c.send(*call, descriptors=[f.fileno()] * 16)) for _ in range(4) for c in callers]
    # The bus refuses them for a service that takes none; without theirs they would be calls like any.
    outcomes = {error_of(c.reply, serial)[0] for c, serial in calls}
    # If polkit takes longer than the service waits for it, whoever finds the limit reached is denied instead.
    assert (DENIED in outcomes) == (UNANSWERED in service.stderr())
    assert outcomes <= {DBUS_ERROR + "NotSupported", LIMIT, NEEDS_INTERACTION, DENIED}
    assert service.process.poll() is None
    assert root.acquire(index)
    assert counter("v0") == 1


def test_more_references_than_descriptors(start, client, links):
    ip_batch(f"link add x{i} group {links.MANY} type ifb" for i in range(1200))
    indices = [index_of(f"x{i}") for i in range(1200)]
    start(prefix=FEW_DESCRIPTORS)
    root = client()
    held = {}
    for n in range(0, 1200, 100):
        for index, serial in [(index, root.send_acquire(index)) for index in indices[n:n + 100]]:
            try:
                held[index] = root.reply(serial)[0]
            except BusError as e:
                assert e.name in (LIMIT, DBUS_ERROR + "Failed") and "descriptor" in e.message, e
    assert len(held) > 500
    # Each is there or not, in the kernel too.
    assert {r["Index"]: r["Id"] for r in root.references()} == held
    of_ip = {link["ifindex"]: link["promiscuity"] for link in json.loads(ip("-d", "-json", "link"))}
    assert all(of_ip[index] == (index in held) for index in indices)

    # Those that come now are shown as they are.
    new = links.veth()
    await_agreement(root, "v0")
    root.release(indices[0], held.pop(indices[0]))
    root.acquire(new)
    for name in "v0", "v1", "x0", "x1", "x1199":
        await_agreement(root, name)
    assert (counter("v0"), counter("x0")) == (1, 0)


def test_questions_left_behind(root, client, index, polkit):
    """The bus counts a question until polkit has answered it, whether or not somebody still waits."""
    polkit.rules(EVERYBODY)
    root.bus("AddMatch", "s", f"type='signal',sender='{DBUS}',member='NameOwnerChanged'")
    other = client("caller2")
    with polkit.silent():
        for _ in range(20):
            caller = client("caller1")
            calls = [caller.send_acquire(index) for _ in range(9)]
            # One more than may be pending: with its refusal all have been dealt with.
            error_of(caller.reply, calls[-1])
            caller.kill()
            root.await_signal("NameOwnerChanged",
                              match=lambda name, _, new: (name, new) == (caller.unique, ""))
        call = other.send_acquire(index)
    assert other.reply(call)
    # Then that user may ask again, too.
    assert client("caller1").acquire(index)
    assert counter("v0") == 2


def test_no_polkit_is_not_told_without_end(service, client, links, polkit):
    index = links.veth()
    caller = client("caller1")
    await_agreement(caller, "v0")
    polkit.remove()
    for _ in range(250):
        for serial in [caller.send_acquire(index) for _ in range(8)]:
            assert error_of(caller.reply, serial)[0] == DENIED
    said = service.stderr()
    assert "polkit" in said and len(said.splitlines()) <= 3, said


def test_large_calls_are_not_kept(start, client, links):
    """Until it is known who calls, others' wait already."""
    size = 16 << 20
    service = start(keeps_freed=False)
    before = service.memory_peak()
    body = "x" * (size - 1000),
    callers = [client("caller1") for _ in range(6)]
    service.pause()
    calls = [(c, c.send(ROOT, OBJECT_MANAGER, "GetManagedObjects", "s", body)) for c in callers]
    for c in callers:
        c.settle()
    service.resume()
    for c, serial in calls:
        assert error_of(c.reply, serial)[0] == INVALID
    assert service.memory_peak() - before < 3 * size


def test_one_users_sockets_on_a_tun(root, client, links, polkit):
    """Each reference there takes one."""
    polkit.rules(EVERYBODY)
    index = links.tun("t0")
    await_agreement(root, "t0")
    caller = client("caller1")
    held = 0
    with pytest.raises(BusError) as e:
        while held < 300:
            caller.acquire(index)
            held += 1
    assert e.value.name == LIMIT and held > 100
    assert root.acquire(index)
    assert counter("t0") == held + 1 == len(root.references())
