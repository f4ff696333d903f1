# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three flag views and the counter, at every step as the system's tools show them."""

import time

import pytest

from links import (IFF_PROMISC, PACKET_MR_ALLMULTI, PacketSocket, await_agreement, counter, difference,
                   index_of, ip, run)
from names import LINK, link_path


def steps_of(root, index, since):
    """Announced changes must chain, each by one unit and as the kernel's event. → the readings in order"""
    changes = root.signals("PromiscuityChanged", link_path(index), LINK, since)
    readings = [changes[0][0]]
    for old, new, timestamp, source in changes:
        assert old == readings[-1]
        assert abs(new - old) == 1
        assert source == "event"
        readings.append(new)
    return readings


def test_tcpdump_flag_and_bridge_port_in_every_view(root, links, tcpdump):
    index = links.veth()
    links.add("br0", "bridge")
    await_agreement(root, "v0")
    root.settle()
    since = len(root.log)
    running = []
    seen = [counter("v0")]

    def step(change):
        change()
        await_agreement(root, "v0")
        seen.append(counter("v0"))
        view = root.link(index)
        # The point of the three views: only sysfs' bit follows the counter, the others only the hand.
        assert view["Promiscuous"] == bool(view["SysfsFlags"] & IFF_PROMISC) == (view["Promiscuity"] > 0)
        by_hand = bool(view["NetlinkFlags"] & IFF_PROMISC)
        assert view["UserRequested"] == by_hand == bool(view["IoctlFlags"] & IFF_PROMISC)
        return view["Promiscuous"], view["UserRequested"]

    assert step(lambda: running.append(tcpdump("v0"))) == (True, False)
    assert step(lambda: running.append(tcpdump("v0"))) == (True, False)
    assert step(lambda: ip("link", "set", "v0", "promisc", "on")) == (True, True)
    assert step(lambda: ip("link", "set", "v0", "master", "br0")) == (True, True)
    assert step(lambda: running.pop().stop()) == (True, True)
    assert step(lambda: ip("link", "set", "v0", "promisc", "off")) == (True, False)
    assert step(lambda: ip("link", "set", "v0", "down")) == (True, False)
    assert step(lambda: ip("link", "set", "v0", "up")) == (True, False)
    assert step(lambda: running.pop().stop()) == (True, False)
    assert step(lambda: ip("link", "set", "v0", "nomaster")) == (False, False)

    # That a port left its bridge is also told by a DELLINK, in which nothing goes.
    assert not root.signals("InterfacesRemoved", since=since)
    # Announced was exactly what the kernel did at each step, and nothing more.
    assert steps_of(root, index, since) == [n for i, n in enumerate(seen) if i == 0 or seen[i - 1] != n]


@pytest.mark.parametrize("kind", ["veth", "bridge", "tap", "tun", "lo", "macvlan", "ifb"])
def test_every_kind_of_link(root, links, holder, kind):
    if kind in ("tap", "tun"):
        links.tun("x0", kind)
    elif kind == "veth":
        links.veth("x0", "x1")
    elif kind == "macvlan":
        links.veth("x1", "x2")
        links.add("x0", "macvlan", "mode", "bridge", lower="x1")
    elif kind != "lo":
        links.add("x0", kind)
    name = "lo" if kind == "lo" else "x0"
    for change in (lambda: ip("link", "set", name, "up"),
                   lambda: holder().add(index_of(name)),
                   lambda: ip("link", "set", name, "promisc", "on"),
                   lambda: ip("link", "set", name, "allmulticast", "on"),
                   lambda: ip("link", "set", name, "mtu", "1400"),
                   lambda: ip("link", "set", name, "promisc", "off")):
        change()
        await_agreement(root, name)


def test_what_was_before_the_service_started(start, client, links, holder):
    index = links.veth()
    holder().add(index)
    ip("link", "set", "v1", "promisc", "on")
    ip("link", "property", "add", "dev", "v0", "altname", "an-alternative-name")
    start()
    bus = client().subscribe()
    for name in "lo", "v0", "v1":
        assert not difference(bus, name)
    # Nobody saw when that began, and a counter that a link comes with is not a change.
    assert bus.link(index)["PromiscuousTimestamp"] == 0
    assert not bus.signals("PromiscuityChanged")


def test_flags_stay_with_their_link_when_names_are_swapped(root, links, holder):
    a, b = links.veth("left", "left-peer"), links.veth("right", "right-peer")
    holder().add(a)
    await_agreement(root, "left")
    for _ in range(20):
        for old, new in ("left", "spare"), ("right", "left"), ("spare", "right"):
            # before Linux 6.2 only a link that is down can be renamed
            ip("link", "set", old, "down")
            ip("link", "set", old, "name", new)
        a_name, b_name = ("right", "left") if index_of("right") == a else ("left", "right")
        names = [a_name, b_name]
        root.wait(lambda: [root.link(a)["Name"], root.link(b)["Name"]] == names, what="swapped names")
        await_agreement(root, "left")
        await_agreement(root, "right")
        assert root.link(a)["Promiscuous"] and not root.link(b)["Promiscuous"]
    # Not for a moment did one link have the other's flags.
    for path, expected in (link_path(a), [True]), (link_path(b), []):
        changes = [c for _, c, _ in root.signals("PropertiesChanged", path)]
        assert [c["Promiscuous"][1] for c in changes if "Promiscuous" in c] == expected


def test_a_stacked_device_moves_its_lower_without_an_event(start, client, links):
    start("--resync-sec=0")     # so that no timer finds it
    root = client().subscribe()
    index = links.veth()
    links.add("m0", "macvlan", "mode", "bridge", lower="v0")
    await_agreement(root, "v0")
    since = len(root.log)
    ip("link", "set", "m0", "up")
    assert counter("v0") == 1, "this kernel does otherwise than measured"
    await_agreement(root, "v0")
    ip("link", "set", "m0", "down")
    await_agreement(root, "v0")
    assert [c[:2] + c[3:] for c in root.signals("PromiscuityChanged", link_path(index), LINK, since)] == [
        (0, 1, "resync"), (1, 0, "resync")]


def test_the_timer_finds_what_has_no_event(start, client, links):
    start("--resync-sec=1")
    root = client().subscribe()
    index = links.veth()
    await_agreement(root, "v0")
    root.settle()
    since = len(root.log)
    # One more unicast address: the device has no filter for it. Nothing but the counter says so.
    run("bridge", "fdb", "add", "02:00:00:00:00:01", "dev", "v0", "self")
    assert counter("v0") == 1, "this kernel does otherwise than measured"
    old, new, _, source = root.await_signal("PromiscuityChanged", link_path(index), since=since)
    assert (old, new, source) == (0, 1, "resync")
    assert root.await_signal("Resynchronized", since=since) == ("timer", 1)
    assert not difference(root, "v0")
    # Nor has an allmulti membership. A pass that corrects nothing says nothing, so this is heard of next.
    since = len(root.log)
    with PacketSocket(PACKET_MR_ALLMULTI) as everything:
        everything.add(index)
        assert root.await_signal("Resynchronized", since=since) == ("timer", 1)
        assert not difference(root, "v0")
    assert len(root.signals("Resynchronized", since=since)) == 1
    # nor has its end
    assert root.await_signal("Resynchronized", since=root.mark()) == ("timer", 1)
    assert not difference(root, "v0")


def test_the_timer_finds_an_alternative_name_of_a_link_that_is_down(start, client, links):
    """That has no event either."""
    start("--resync-sec=1")
    root = client().subscribe()
    index = links.add("i0", "ifb")
    await_agreement(root, "i0")
    since = root.mark()
    ip("link", "property", "add", "dev", "i0", "altname", "another")
    _, changed, _ = root.await_signal("PropertiesChanged", since=since)
    assert changed == {"AlternativeNames": ("as", ["another"])}
    assert root.await_signal("Resynchronized", since=since) == ("timer", 1)
    assert root.manager("GetLinkByName", "s", "another") == (index, link_path(index))


def test_since_when(root, index, holder):
    assert root.link(index)["PromiscuousTimestamp"] == 0
    before = time.time_ns() // 1000
    first = holder()
    first.add(index)
    await_agreement(root, "v0")
    since = root.link(index)["PromiscuousTimestamp"]
    assert before <= since <= time.time_ns() // 1000
    # One more does not begin it anew; another beginning does.
    second = holder().add(index)
    await_agreement(root, "v0")
    assert root.link(index)["PromiscuousTimestamp"] == since
    first.drop(index)
    second.drop(index)
    await_agreement(root, "v0")
    first.add(index)
    await_agreement(root, "v0")
    assert root.link(index)["PromiscuousTimestamp"] > since
    monotonic = [t for _, _, t, _ in root.signals("PromiscuityChanged", link_path(index))]
    assert monotonic == sorted(monotonic) and monotonic[-1] <= time.monotonic_ns() // 1000
