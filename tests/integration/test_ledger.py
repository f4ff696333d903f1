# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who holds the units: what the table of ledger_scenarios cannot say. (That the numbers add up in each message, all tests
see to with their mirror.)"""

import os
import random
import time

from bus import BusError, plain
from checks import EVERYBODY, error_of, rule
from links import Tcpdump, counter, index_of, ip, ip_batch
from mirror import adds_up
from names import LIMIT, LINK, NEEDS_INTERACTION, link_path, reference_path

MANY = 200      # memberships, more than fit into the first buffer that the kernel answers with
CHURN = 60 if os.environ.get("PROMISC_TEST_SLOWNESS", "1") == "1" else 15     # seconds


def holders(bus, index):
    return [plain(h) for h in bus.call(link_path(index), LINK, "ListHolders")[0]]


def inode(sock):
    return os.fstat(sock.sock.fileno()).st_ino


def name_of_error(bus, serial):
    try:
        bus.reply(serial)
    except BusError as e:
        return e.name
    return None


def await_holders(bus, index, expected):
    def shown():
        return bus.get(link_path(index), LINK, "Holders")
    bus.wait(lambda: shown() == expected, what=lambda: f"{shown()} as {expected}")


def test_packet_sockets_one_by_one(root, index, holder):
    first, second = holder(), holder()
    first.add(index)
    second.add(index).add(index)    # the same again is no other unit
    await_holders(root, index, {"packet-socket": 2})
    entries = holders(root, index)
    assert [(h["kind"], h["count"], h["uid"]) for h in entries] == [("packet-socket", 1, 0)] * 2
    assert {h["inode"] for h in entries} == {inode(first), inode(second)}


def test_those_behind_a_long_list(links, start, client, holder):
    """The oldest socket's list does not fit into what the kernel first answers with, which hides all sockets after it."""
    oldest = holder()
    names = [f"m{n}" for n in range(MANY)]
    index = links.veth()
    ip_batch(f"link add {name} type ifb" for name in names)
    for name in names:
        oldest.add(index_of(name))
    oldest.add(index)
    start()
    root = client().subscribe()
    later = [holder().add(index) for _ in range(3)]
    await_holders(root, index, {"packet-socket": 4})
    assert {h["inode"] for h in holders(root, index)} == {inode(s) for s in (oldest, *later)}
    assert holders(root, index_of("m7"))[0]["inode"] == inode(oldest)
    ip_batch(f"link del {name}" for name in names)


def test_our_own_are_references_alone(root, index, holder, client, polkit):
    polkit.rules(EVERYBODY)
    holder().add(index)
    caller = client("caller1")
    ids = [root.acquire(index, "one")[0], caller.acquire(index, "zwei: ä")[0]]
    await_holders(root, index, {"reference": 2, "packet-socket": 1})
    entries = holders(root, index)
    references = [h for h in entries if h["kind"] == "reference"]
    assert {(h["reference"], h["uid"], h["reason"], h["count"]) for h in references} == {
        (reference_path(r["Id"]), r["UserId"], r["Reason"], 1) for r in root.references()}
    assert {h["reference"] for h in references} == {reference_path(id) for id in ids}
    assert [h["kind"] for h in entries].count("packet-socket") == 1
    caller.kill()
    await_holders(root, index, {"reference": 1, "packet-socket": 1})


def test_one_message(root, index, holder):
    """Counter and holders come together."""
    since = root.mark()
    holder().add(index)
    await_holders(root, index, {"packet-socket": 1})
    root.settle()
    messages = [set(body[1]) for body in root.signals("PropertiesChanged", link_path(index), since=since)]
    assert [m & {"Promiscuity", "Holders"} for m in messages if m & {"Promiscuity", "Holders"}] == [
        {"Promiscuity", "Holders"}]


def test_another_holder_at_the_same_count(root, index, holder):
    sock = holder().add(index)
    await_holders(root, index, {"packet-socket": 1})
    ip("link", "set", "v0", "promisc", "on")
    sock.drop(index)
    await_holders(root, index, {"user": 1})
    assert counter("v0") == 1


def test_a_link_that_comes_promiscuous(root, links, namespace):
    """Moved here with the flag set; it has no other unit."""
    ip("link", "add", "name", "m0", "type", "veth", "peer", "name", "m1")
    ip("link", "set", "m0", "netns", namespace.pid)
    namespace.ip("link", "set", "m0", "promisc", "on")
    since = root.mark()
    namespace.ip("link", "set", "m0", "netns", os.getpid())
    root.wait(lambda: any("m0" == plain(body[1].get(LINK, {})).get("Name")
                          for body in root.signals("InterfacesAdded", since=since)), what="m0")
    await_holders(root, index_of("m0"), {"user": 1})


def test_who_may_list(service, root, index, client, polkit):
    caller = client("caller1")
    assert error_of(holders, caller, index)[0] == NEEDS_INTERACTION
    # But the numbers are for everybody.
    assert caller.get(link_path(index), LINK, "Holders") == {}
    polkit.rules(rule('action.id == "org.example.Promisc.inspect" && action.lookup("interface") == "v0" &&'
                      f' action.lookup("ifindex") == "{index}"'))
    assert holders(caller, index) == []
    assert error_of(holders, caller, index_of("v1"))[0] == NEEDS_INTERACTION


def test_lists_are_metered(service, root, index, client, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")

    def refused():
        serials = [caller.send(link_path(index), LINK, "ListHolders") for _ in range(8)]
        return LIMIT in {name_of_error(caller, serial) for serial in serials}
    for _ in range(100):
        if refused():
            break
    else:
        raise AssertionError("never refused")
    assert holders(client(), index) == []


def test_no_guess_in_a_storm(root, index, holder):
    """While the counter changes all the time, what is shown adds up, and is never older than the contract allows."""
    holder().add(index)
    storm = holder()
    since = root.mark()
    began = time.monotonic()
    while time.monotonic() < began + 2:
        storm.burst(index, 200)
        adds_up("v0", root.link(index))
    await_holders(root, index, {"packet-socket": 1})
    changes = root.signals("PromiscuityChanged", link_path(index), since=since)
    assert [c[0] for c in changes[1:]] == [c[1] for c in changes[:-1]]
    assert {c[3] for c in changes} == {"event"}


def test_the_dead_hold_nothing(root, index, links):
    """Twenty capture programs come and go beside a churn of links: every reading adds up, and none shows a socket a second
    after its process is gone."""
    rng = random.Random(1)
    running, gone = [], {}
    links.add("br0", "bridge")
    end = time.monotonic() + CHURN

    def socket_of(t):
        for fd in os.listdir(f"/proc/{t.process.pid}/fd"):
            target = os.readlink(f"/proc/{t.process.pid}/fd/{fd}")
            if target.startswith("socket:["):
                yield int(target[8:-1])

    def look(name):
        began = time.monotonic()
        if not os.path.exists(f"/sys/class/net/{name}"):
            return
        entries = holders(root, index_of(name))
        adds_up(name, root.link(index_of(name)))
        stale = [h["inode"] for h in entries if h["kind"] == "packet-socket" and
                 began > gone.get(h["inode"], began) + 1]
        assert not stale, (name, stale)

    try:
        while time.monotonic() < end:
            if len(running) < 20 and rng.random() < 0.6:
                t = Tcpdump("v0")
                running.append((t, list(socket_of(t))))
            elif running:
                t, inodes = running.pop(rng.randrange(len(running)))
                t.process.kill()
                t.process.communicate()
                gone.update((i, time.monotonic()) for i in inodes)
            ip_batch([f"link set v1 {rng.choice(['master br0', 'nomaster'])}",
                      f"link set v0 promisc {rng.choice(['on', 'off'])}",
                      "link add c0 link v0 type macvlan mode bridge", "link set c0 up", "link set c0 promisc on",
                      "link del c0"])
            look("v0")
            look("v1")
    finally:
        for t, _ in running:
            t.process.kill()
            t.process.communicate()
    ip("link", "set", "v0", "promisc", "off")
    ip("link", "set", "v1", "nomaster")
    await_holders(root, index, {})
    assert len(gone) > 20
