# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that list thousands of objects: each user has its allowance, what goes beyond is refused, whether or not anybody
reads it, and others do not wait long."""

import time

from crowd import Bystander, Call, Crowd
from links import index_of, ip_batch
from names import DBUS, LIMIT, LINK, MANAGER, OBJECT_MANAGER, PROPERTIES, ROOT, SLOWNESS, link_path

LINKS, REFERENCES = 4000, 1000
OBJECTS = 1 + LINKS + REFERENCES    # with lo

# For each user a call that lists much, and what it counts for: objects with all their properties, or eighths of them.
GREEDY = {
    "caller1": (Call(ROOT, OBJECT_MANAGER, "GetManagedObjects"), OBJECTS),
    "daemon": (Call(ROOT, MANAGER, "ListReferences"), REFERENCES),
    "bin": (Call(ROOT, MANAGER, "ListLinks"), (LINKS + 1) // 8),
    "sys": (Call(ROOT + "/link", DBUS + ".Introspectable", "Introspect"), OBJECTS // 8),
}
CONNECTIONS, CALLS = 3, 300         # of each user: fewer than the bus itself would refuse
ALLOWANCE, AGAIN = 24000, 10000     # at a time, and each second
WAIT = 1 * SLOWNESS

# An object takes some 600 bytes on the wire. Should the daemon read nothing at all, all that is allowed waits to be sent.
MEMORY = 600 * ALLOWANCE * len(GREEDY)


def test_lists_without_end(start, client, links):
    ip_batch(f"link add x{i} group {links.MANY} type ifb" for i in range(LINKS))
    service = start(keeps_freed=False)
    root = client()
    index = index_of("x0")
    for _ in range(REFERENCES // 100):
        for serial in [root.send_acquire(index) for _ in range(100)]:
            root.reply(serial)
    newcomer = client("caller2")
    before = service.memory_peak()
    bystander = Bystander(client(), client(), [
        (link_path(index), PROPERTIES, "Get", "ss", (LINK, "Promiscuity")),
        (link_path(index), LINK, "Acquire", "sa{sv}", ("as always", {}))])
    try:
        began = time.monotonic()
        crowds = {user: Crowd(CONNECTIONS, user) for user in GREEDY}
        for user, (call, _) in GREEDY.items():
            crowds[user].send([call] * CALLS, reads=False)
        # Somebody else has an allowance as well.
        assert len(newcomer.objects()) >= OBJECTS
        outcomes = {user: crowd.settle() for user, crowd in crowds.items()}
        seconds = time.monotonic() - began
    finally:
        times = bystander.stop()
    for user, (_, cost) in GREEDY.items():
        answered = outcomes[user].pop(None) - CONNECTIONS   # the settling ones
        assert 0 < answered * cost <= ALLOWANCE + AGAIN * seconds, user
        assert outcomes[user] == {LIMIT: CALLS - answered}, user
        crowds[user].leave()
    slowest = max(times, key=lambda t: t[0] - t[1])
    assert slowest[0] - slowest[1] < WAIT, slowest
    assert service.memory_peak() - before < MEMORY
