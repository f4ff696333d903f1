# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a reference does to the kernel's counter, and how it ends."""

import ctypes
import os
import socket
import struct
import subprocess
import time

import pytest

from bus import BusError, Reply, Signal, plain
from checks import EVERYBODY
from links import SOL_PACKET, await_agreement, counter, index_of, ip, read_sysfs
from names import (DBUS, LINK, MANAGER, NO_SUCH_LINK, NO_SUCH_REFERENCE, OBJECT_MANAGER, PROPERTIES,
                   REFERENCE, ROOT, SLOWNESS, UNKNOWN_OBJECT, link_path, reference_path, uid_of)


def packet_sockets_of(user):
    """(protocol, bytes waiting) of each of that user's packet sockets."""
    with open("/proc/net/packet") as f:
        rows = [line.split() for line in f][1:]
    return [(int(row[3], 16), int(row[6])) for row in rows if int(row[7]) == uid_of(user)]


@pytest.mark.parametrize("kind", ["veth", "bridge", "tap", "tun", "lo", "macvlan", "down"])
def test_one_reference_is_one_unit(root, links, holder, kind):
    name = "x0"
    if kind == "lo":
        name = "lo"
    elif kind in ("tap", "tun"):
        links.tun("x0", kind)
    elif kind == "macvlan":
        links.veth("x1", "x2")
        links.add("x0", "macvlan", "mode", "bridge", lower="x1")
    elif kind == "bridge":
        links.add("x0", "bridge")
    else:
        links.veth("x0", "x1")
    ip("link", "set", name, "down" if kind == "down" else "up")
    await_agreement(root, name)
    index = index_of(name)
    holder().add(index)     # somebody else's, never to be touched
    ids = []
    for held in range(1, 4):
        ids.append(root.acquire(index)[0])
        assert counter(name) == 1 + held
    # in an order of its own
    for left, id in zip((2, 1, 0), (ids[1], ids[0], ids[2])):
        root.release(index, id)
        assert counter(name) == 1 + left
    await_agreement(root, name)
    changes = [c[:2] for c in root.signals("PromiscuityChanged", link_path(index))]
    assert changes == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 3), (3, 2), (2, 1)]


def test_300_on_one_link(root, index):
    calls = [root.send_acquire(index, f"number {n}") for n in range(100)]
    ids = [root.reply(serial)[0] for serial in calls]
    for n in range(100, 300):
        ids.append(root.acquire(index, f"number {n}")[0])
    assert counter("v0") == 300 == root.get(ROOT, MANAGER, "References")
    assert len(set(ids)) == 300
    assert sorted((r["Id"], r["Reason"]) for r in root.references()) == sorted(
        (id, f"number {n}") for n, id in enumerate(ids))
    # Shared: a close costs 12 ms. And fewer than 86 memberships on each, or sock_diag hides them.
    sockets = len(packet_sockets_of("promisc"))
    assert 300 / 85 < sockets < 300 / 10
    for n, id in enumerate(ids[::2] + ids[1::2], 1):
        root.release(index, id)
        if n % 50 == 0:
            assert counter("v0") == 300 - n
    assert root.references() == []


def test_what_a_reference_says(root, client, index, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    before = time.time_ns() // 1000
    id, path = caller.acquire(index, "debugging the – “network”", {"timeout": ("t", 3600 * 10 ** 6)})
    after = time.time_ns() // 1000
    assert path == reference_path(id)
    said = root.get_all(path, REFERENCE)
    acquired = said["AcquiredTimestamp"]
    assert before <= acquired <= after
    assert abs(said["ExpiresTimestamp"] - acquired - 3600 * 10 ** 6) < 10 ** 6
    assert said == {
        "Id": id, "Link": link_path(index), "Index": index, "Owner": caller.unique, "UserId": caller.uid,
        "ProcessId": caller.pid, "Reason": "debugging the – “network”", "Lifetime": "connection",
        "AcquiredTimestamp": acquired, "ExpiresTimestamp": said["ExpiresTimestamp"]}
    assert root.references() == [{**said, "Path": path, "InterfaceName": "v0"}]
    assert plain(root.objects()[path][REFERENCE]) == said
    _, interfaces = root.await_signal("InterfacesAdded", match=lambda p, _: p == path)
    assert plain(interfaces[REFERENCE]) == said
    # everybody may read it
    assert client("caller2").get_all(path, REFERENCE) == said
    # 0 is never
    id, path = caller.acquire(index, "no end", {"timeout": ("t", 0)})
    assert root.get(path, REFERENCE, "ExpiresTimestamp") == 0


def ends(root, index, id, cause):
    """The reference is seen to end for that cause: told, then gone, in that order, with nothing left."""
    path = reference_path(id)
    root.await_signal("InterfacesRemoved", match=lambda p, interfaces: p == path and REFERENCE in interfaces)
    last_words = [s.member for s in root.log if isinstance(s, Signal) and
                  (s.path == path or s.interface == OBJECT_MANAGER and s.body[0] == path)]
    assert last_words == ["InterfacesAdded", "Released", "InterfacesRemoved"]
    assert root.signals("Released", path, REFERENCE) == [(cause,)]
    with pytest.raises(BusError) as e:
        root.get(path, REFERENCE, "Id")
    assert e.value.name == UNKNOWN_OBJECT
    assert id not in [r["Id"] for r in root.references()]


def test_released_by_its_owner(root, client, index, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    for way in "link", "object":
        id, path = caller.acquire(index)
        assert counter("v0") == 1
        if way == "link":
            caller.release(index, id)
        else:
            caller.call(path, REFERENCE, "Release")
        assert counter("v0") == 0
        ends(root, index, id, "released")


def test_revoked_by_another_connection_of_the_same_user(root, client, index, polkit):
    """polkit is not asked, but the owner did not do it."""
    polkit.rules(EVERYBODY)
    id, _ = client("caller1").acquire(index)
    polkit.rules("")
    client("caller1").release(index, id)
    assert counter("v0") == 0
    ends(root, index, id, "revoked")


def test_revoked_by_root(root, client, index, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    for way in "link", "object":
        id, path = caller.acquire(index)
        root.release(index, id) if way == "link" else root.call(path, REFERENCE, "Release")
        assert counter("v0") == 0
        ends(root, index, id, "revoked")
        with pytest.raises(BusError) as e:
            caller.release(index, id)
        assert e.value.name == NO_SUCH_REFERENCE


def test_the_owner_is_killed(root, client, index, polkit):
    polkit.rules(EVERYBODY)
    caller, other = client("caller1"), client("caller1")
    ids = [caller.acquire(index)[0] for _ in range(20)]
    stays, _ = other.acquire(index)
    assert counter("v0") == 21
    caller.kill()
    for id in ids:
        ends(root, index, id, "owner-vanished")
    assert counter("v0") == 1
    assert [r["Id"] for r in root.references()] == [stays]
    # The limits' counts went with them.
    assert root.get(ROOT, MANAGER, "References") == 1


def test_how_many_there_are_while_they_end(service, root, client, index):
    """The property and the list are the same at any time."""
    caller, watcher = client(), client()
    for _ in range(6):
        for serial in [caller.send_acquire(index) for _ in range(100)]:
            caller.reply(serial)

    def ask():
        count = ROOT, PROPERTIES, "Get", "ss", (MANAGER, "References")
        return [watcher.send(*call) for call in (count, (ROOT, MANAGER, "ListReferences"), count)]
    root.bus("AddMatch", "s", f"type='signal',sender='{DBUS}',member='NameOwnerChanged'")
    watcher.references()    # so that the service knows who asks, and answers in order
    service.pause()
    asked = [ask() for _ in range(2)]
    watcher.settle()
    caller.kill()
    root.await_signal("NameOwnerChanged", match=lambda name, old, new: (name, new) == (caller.unique, ""))
    asked += [ask() for _ in range(30)]
    service.resume()
    samples = [(watcher.reply(before)[0][1], len(watcher.reply(listed)[0]), watcher.reply(after)[0][1])
               for before, listed, after in asked]
    assert samples[0] == (600, 600, 600)
    assert all(listed in (before, after) for before, listed, after in samples), samples
    root.wait(lambda: len(root.signals("Released")) == 600, what="the end of all")
    assert counter("v0") == 0


def test_the_timeout(root, client, index, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    began = time.monotonic()
    later, _ = caller.acquire(index, options={"timeout": ("t", 300_000)})
    sooner, _ = caller.acquire(index, options={"timeout": ("t", 50_000)})
    never, _ = caller.acquire(index, options={"timeout": ("t", 0)})
    ends(root, index, sooner, "expired")
    ends(root, index, later, "expired")
    assert 0.3 <= time.monotonic() - began < 0.3 + 0.25 * SLOWNESS
    assert counter("v0") == 1
    caller.release(index, never)
    root.settle()
    causes = [s.body for s in root.log if isinstance(s, Signal) and s.member == "Released"]
    assert causes == [("expired",), ("expired",), ("released",)]


def test_the_link_goes(root, client, links):
    index = links.veth()
    other = index_of("v1")
    await_agreement(root, "v0")
    await_agreement(root, "v1")
    ids = [root.acquire(index)[0], root.acquire(other)[0], root.acquire(index)[0]]
    ip("link", "del", "v0")
    for id, i in zip(ids, (index, other, index)):
        ends(root, i, id, "link-removed")
    # References go before the link that they point to.
    gone = [s.body[0] for s in root.log if isinstance(s, Signal) and s.member == "InterfacesRemoved"]
    assert gone.index(link_path(index)) > max(gone.index(reference_path(id)) for id in (ids[0], ids[2]))
    assert root.get(ROOT, MANAGER, "References") == 0


def test_the_link_moves_away(root, index, namespace):
    id, _ = root.acquire(index)
    ip("link", "set", "v0", "netns", namespace.pid)
    ends(root, index, id, "link-moved")
    assert b"promiscuity 0" in namespace.ip("-d", "link", "show", "v0")


def test_what_keeps_it(root, links, index):
    id, path = root.acquire(index)
    ip("link", "set", "v0", "down")
    ip("link", "set", "v0", "name", "w0")
    ip("link", "set", "w0", "up")
    links.add("br0", "bridge")
    ip("link", "set", "w0", "master", "br0")
    await_agreement(root, "w0")
    assert counter("w0") == 2
    ip("link", "set", "w0", "nomaster")
    await_agreement(root, "w0")
    assert counter("w0") == 1
    root.wait(lambda: [r["InterfaceName"] for r in root.references()] == ["w0"], what="new name")
    assert root.get(path, REFERENCE, "Link") == link_path(index)
    root.release(index, id)
    assert counter("w0") == 0


def test_an_orderly_stop(service, root, client, index, polkit):
    polkit.rules(EVERYBODY)
    ids = [root.acquire(index)[0], client("caller1").acquire(index)[0]]
    service.stop()
    root.settle()
    for id in ids:
        assert root.signals("Released", reference_path(id), REFERENCE) == [("service-stopped",)]
    assert counter("v0") == 0


def test_a_killed_service_holds_nothing_and_repeats_no_id(start, client, links):
    index = links.veth()
    last = 0
    for end in "kill", "stop", "kill":
        service = start()
        root = client()
        ids = [root.acquire(index)[0] for _ in range(3)]
        assert last < ids[0] < ids[1] < ids[2]
        last = ids[2]
        if end == "kill":
            service.process.kill()
            service.process.wait()
        else:
            service.stop()
        assert counter("v0") == 0


def pidfd_getfd(pid, fd):
    pidfd = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return copy


def packets_seen(sock):
    """PACKET_STATISTICS: packets, dropped ones among them, since asked last."""
    return struct.unpack("II", sock.getsockopt(SOL_PACKET, 6, 8))[0]


def test_no_packet_is_ever_received(service, root, links):
    index = links.veth()
    links.tun("t0")
    await_agreement(root, "t0")
    for i in index, index, index_of("t0"):
        root.acquire(i)
    ETH_P_ALL = 3
    received = int(read_sysfs("v0", "statistics/rx_packets"))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as witness, \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        witness.bind(("v0", ETH_P_ALL))
        sender.bind(("v1", 0))
        for _ in range(50):
            sender.send(b"\x02\0\0\0\0\x01" b"\x02\0\0\0\0\x02" b"\x88\xb5" + b"." * 50)
        assert packets_seen(witness) >= 50
    assert int(read_sysfs("v0", "statistics/rx_packets")) - received >= 50
    seen = []
    for fd in os.listdir(f"/proc/{service.pid}/fd"):
        if os.readlink(f"/proc/{service.pid}/fd/{fd}").startswith("socket:"):
            with socket.socket(fileno=pidfd_getfd(service.pid, int(fd))) as copy:
                if copy.family == socket.AF_PACKET:
                    seen.append(packets_seen(copy))
    assert seen and not any(seen), seen
    sockets = packet_sockets_of("promisc")
    assert len(sockets) == len(seen) and all(s == (0, 0) for s in sockets), sockets


def test_signals_come_before_the_reply(root, index):

    def heard_before_reply(call):
        since = len(root.log)
        serial = call()
        root.reply(serial)
        reply = next(n for n, m in enumerate(root.log) if isinstance(m, Reply) and m.serial == serial)
        root.settle()
        # that is all, none comes late
        assert not [s for s in root.log[reply:] if isinstance(s, Signal)]
        heard = root.log[since:reply]
        changed = {(s.path, name) for s in heard if isinstance(s, Signal) and s.member == "PropertiesChanged"
                   for name in s.body[1]}
        return [s.member for s in heard if isinstance(s, Signal)], changed

    serial = None

    def acquire():
        nonlocal serial
        serial = root.send_acquire(index)
        return serial

    members, changed = heard_before_reply(acquire)
    assert members.count("InterfacesAdded") == members.count("PromiscuityChanged") == 1
    assert changed == {(link_path(index), "Promiscuity"), (link_path(index), "Promiscuous"),
                       (link_path(index), "SysfsFlags"), (link_path(index), "PromiscuousTimestamp"),
                       (link_path(index), "Holders"),
                       (ROOT, "References"), (ROOT, "PromiscuousLinks")}
    id = root.replies[serial].body[0]
    members, changed = heard_before_reply(lambda: root.send(link_path(index), LINK, "Release", "t", (id,)))
    assert members.index("Released") < members.index("InterfacesRemoved")
    assert members.count("PromiscuityChanged") == 1
    assert changed == {(link_path(index), "Promiscuity"), (link_path(index), "Promiscuous"),
                       (link_path(index), "SysfsFlags"), (link_path(index), "Holders"),
                       (ROOT, "References"), (ROOT, "PromiscuousLinks")}


def test_signals_come_before_the_reply_in_a_storm(service, root, index, holder):
    """More events are queued than are taken over in one turn."""
    other = index_of("v1")
    root.acquire(index)
    service.pause()
    holder().burst(index, 4000)
    since = root.mark()
    call = root.send_acquire(other)
    service.resume()
    root.reply(call)
    heard = [s for s in root.log[since:] if isinstance(s, Signal) and s.path == link_path(other)]
    assert [s.body[:2] for s in heard if s.member == "PromiscuityChanged"] == [(0, 1)]
    changed = [plain(s.body[1]) for s in heard if s.member == "PropertiesChanged"]
    assert len(changed) == 1 and changed[0]["Promiscuity"] == 1 and changed[0]["Promiscuous"]
    assert root.get(link_path(other), LINK, "Promiscuity") == 1


@pytest.mark.parametrize("rounds, queued", [(20, 0), (6, 1000)])
def test_acquire_meets_a_link_made_anew(service, root, links, holder, rounds, queued):
    """The events of a deletion and a new creation with the same index wait while an Acquire does."""
    ip("link", "add", "z0", "index", "500", "type", "ifb")
    other = links.veth()
    await_agreement(root, "z0")
    for n in range(rounds):
        root.acquire(500)
        service.pause()
        holder().burst(other, queued)
        calls = [root.send_acquire(500)] if n % 2 else []
        ip("link", "del", "z0")
        calls.append(root.send_acquire(500))
        ip("link", "add", "z0", "index", "500", "type", "ifb")
        calls.append(root.send_acquire(500))
        since = len(root.log)
        service.resume()
        acquired = outcome(root, calls)
        root.await_signal("InterfacesAdded", since=since, match=lambda path, _: path == link_path(500))
        await_agreement(root, "z0")
        held = root.references()
        assert counter("z0") == len(held) == root.get(ROOT, MANAGER, "References")
        # None was given that had to be taken away at once; for no other was the new link's counter moved.
        assert {r["Id"] for r in held} == set(acquired)
        added = next(n for n, s in enumerate(root.log) if n >= since and isinstance(s, Signal) and
                     s.member == "InterfacesAdded" and s.body[0] == link_path(500))
        assert len(root.signals("PromiscuityChanged", link_path(500), since=added)) == len(acquired)
        for reference in held:
            root.release(500, reference["Id"])
        assert counter("z0") == 0


# A million bytes are more than is taken over in one turn.
@pytest.mark.parametrize("asked, receive_buffer", [("before", 0), ("before", 10 ** 6), ("after", 0)])
def test_a_link_made_anew_during_an_overrun(start, client, links, holder, asked, receive_buffer):
    """No event says that the link which is there now is another one. The next Acquire is asked for before or
    after the service finds out."""
    service = start("--resync-sec=0", receive_buffer=receive_buffer)
    root = client().subscribe()
    ip("link", "add", "z0", "index", "500", "type", "ifb")
    other = links.veth()
    await_agreement(root, "v0")
    kept, _ = root.acquire(other)
    lost, _ = root.acquire(500)
    service.pause()
    ip("link", "set", "z0", "mtu", "1400")
    holder().burst(other, 4000)
    ip("link", "del", "z0")
    ip("link", "add", "z0", "index", "500", "type", "ifb")
    calls = [root.send_acquire(500)] if asked == "before" else []
    service.resume()
    root.await_signal("Resynchronized")
    assert root.await_released(lost) == "link-removed"
    new = [root.reply(serial)[0] for serial in calls]
    assert {r["Id"] for r in root.references()} == {kept, *new}
    assert (counter("z0"), counter("v0")) == (len(new), 1)
    # and the new one is as good as any
    new.append(root.acquire(500)[0])
    await_agreement(root, "z0")
    assert counter("z0") == len(new)
    for id in new:
        root.release(500, id)
    assert counter("z0") == 0


def outcome(bus, calls):
    """Each has got a reference, or been told that there is no such link. → the ids"""
    ids = []
    for serial in calls:
        try:
            ids.append(bus.reply(serial)[0])
        except BusError as e:
            assert e.name in (NO_SUCH_LINK, UNKNOWN_OBJECT), e
    return ids


def test_acquire_while_a_link_is_made_anew_1000_times(service, root, client, links):
    """By three clients at once, all the while."""
    ip("link", "add", "z0", "index", "500", "type", "ifb")
    await_agreement(root, "z0")
    clients = [root, client(), client()]
    descriptors = len(os.listdir(f"/proc/{service.pid}/fd"))
    churn = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, bufsize=0)
    # A deletion takes ten times as long as all else: it is to be there for a while, too.
    one = b"link del z0\nlink add z0 index 500 type ifb\n" + b"link set z0 mtu 1400\nlink set z0 mtu 1500\n" * 40
    acquired = []
    for _ in range(200):
        calls = [(c, c.send_acquire(500)) for c in clients]
        churn.stdin.write(one * 5)
        for c, serial in calls:
            acquired += outcome(c, [serial])
    churn.stdin.close()
    assert churn.wait() == 0
    await_agreement(root, "z0")
    for c in clients:
        acquired += outcome(c, [c.send_acquire(500)])
    held = {r["Id"] for r in root.references()}
    assert counter("z0") == len(held) >= 3
    # Those that are not held have ended, and for that reason.
    ended = {int(s.path.rsplit("/", 1)[1]): s.body[0] for s in root.log
             if isinstance(s, Signal) and s.member == "Released"}
    assert set(acquired) == held | set(ended) and not held & set(ended)
    assert set(ended.values()) <= {"link-removed"}
    assert len(ended) > 10, "nothing was tried"
    # Nothing is left of any.
    for c in clients[1:]:
        c.kill()
    ip("link", "del", "z0")
    root.wait(lambda: root.references() == [], what="no reference")
    assert len(os.listdir(f"/proc/{service.pid}/fd")) <= descriptors + 3    # sockets that are kept, and one to list others'
