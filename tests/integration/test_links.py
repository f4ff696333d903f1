# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links come and go, under any name and number, and there may be many."""

import os
import time

import pytest

from bus import BusError, Signal, plain
from links import await_agreement, difference, index_of, ip, ip_batch, link_names, read_sysfs
from mirror import Mirror
from names import (LINK, MANAGER, NO_SUCH_LINK, OBJECT_MANAGER, PROMPT, ROOT, UNKNOWN_OBJECT, escaped,
                   link_path)


def test_a_link_comes_and_goes(root, links):
    links.veth()
    for name in "v0", "v1":
        index = index_of(name)
        _, interfaces = root.await_signal("InterfacesAdded", ROOT, OBJECT_MANAGER,
                                          match=lambda path, _: path == link_path(index))
        assert interfaces[LINK].keys() == root.link(index).keys()
        await_agreement(root, name)
    assert root.get(ROOT, MANAGER, "Links") == len(link_names())
    ip("link", "del", "v0")
    _, interfaces = root.await_signal("InterfacesRemoved", ROOT,
                                      match=lambda path, _: path == link_path(index))
    assert LINK in interfaces
    with pytest.raises(BusError) as e:
        root.link(index)
    assert e.value.name == UNKNOWN_OBJECT
    root.wait(lambda: root.get(ROOT, MANAGER, "Links") == 1, what="one link")
    # A counter that a link came with, or went with, is not a change.
    assert not root.signals("PromiscuityChanged")


def test_the_same_index_again(root, links):
    ip("link", "add", "one", "index", "4000", "type", "ifb")
    ip("link", "set", "one", "promisc", "on")
    await_agreement(root, "one")
    for _ in range(10):
        since = len(root.log)
        ip("link", "del", "one")
        ip("link", "add", "two", "index", "4000", "type", "ifb")
        root.await_signal("InterfacesAdded", since=since, match=lambda path, _: path == link_path(4000))
        coming_and_going = [s.member for s in root.log[since:] if isinstance(s, Signal) and
                            s.interface == OBJECT_MANAGER and s.body[0] == link_path(4000)]
        assert coming_and_going == ["InterfacesRemoved", "InterfacesAdded"]
        await_agreement(root, "two")
        assert root.manager("GetLinkByIndex", "i", 4000) == ("two", link_path(4000))
        since = len(root.log)
        ip("link", "del", "two")
        ip("link", "add", "one", "index", "4000", "type", "ifb")
        root.await_signal("InterfacesAdded", since=since, match=lambda path, _: path == link_path(4000))
    await_agreement(root, "one")


def test_a_rename_keeps_the_object(root, index):
    since = len(root.log)
    ip("link", "set", "v0", "down")
    ip("link", "set", "v0", "name", "w0")
    _, changed, _ = root.await_signal("PropertiesChanged", link_path(index), since=since,
                                      match=lambda _, changed, __: "Name" in changed)
    assert changed["Name"] == ("s", "w0")
    await_agreement(root, "w0")
    assert root.manager("GetLinkByName", "s", "w0") == (index, link_path(index))
    with pytest.raises(BusError) as e:
        root.manager("GetLinkByName", "s", "v0")
    assert e.value.name == NO_SUCH_LINK
    assert not root.signals("InterfacesRemoved", since=since)
    assert not root.signals("InterfacesAdded", since=since)


def test_a_move_to_another_namespace_and_back(root, links, namespace):
    index = links.veth()
    ip("link", "set", "v0", "promisc", "on")
    await_agreement(root, "v0")
    since = len(root.log)
    ip("link", "set", "v0", "netns", namespace.pid)
    root.await_signal("InterfacesRemoved", since=since, match=lambda path, _: path == link_path(index))
    assert "v0" not in [name for _, name, _ in root.manager("ListLinks")[0]]
    # The hand-set bit moves with it, and is there at once when it is back, whatever its index then is.
    namespace.ip("link", "set", "v0", "netns", os.getpid())
    index = index_of("v0")
    root.await_signal("InterfacesAdded", since=since, match=lambda path, _: path == link_path(index))
    await_agreement(root, "v0")
    assert root.link(index)["UserRequested"]


def test_alternative_names(root, index):
    long_name = "a-name-that-is-longer-than-an-interface-name-can-be"
    ip("link", "property", "add", "dev", "v0", "altname", long_name, "altname", "short")
    await_agreement(root, "v0")
    for name in long_name, "short", "v0":
        assert root.manager("GetLinkByName", "s", name) == (index, link_path(index))
    ip("link", "property", "del", "dev", "v0", "altname", "short")
    await_agreement(root, "v0")
    with pytest.raises(BusError) as e:
        root.manager("GetLinkByName", "s", "short")
    assert e.value.name == NO_SUCH_LINK


# Bytes that are no UTF-8, beside those that are; a backslash; control characters of one byte and of two.
ODD_NAMES = [b"a\xffb", b"\xc3\xa9t\xc3\xa9", b"\xc3", b"back\\slash", b"\\x41", b"bell\x07",
             b"next\xc2\x85line", b"del\x7f", b"\xed\xb0\x81"]


def test_names_that_are_no_text(service, root, links):
    indices = {}
    for name in ODD_NAMES:
        ip("link", "add", name, "type", "ifb")
        indices[name] = index_of(name)
    links.add("A", "ifb")
    ip("link", "set", "A", "up")    # on one that is down, another alternative name has no event
    ip("link", "property", "add", "dev", "A", "altname", b"alt\xff\\")
    await_count(root, len(ODD_NAMES) + 2)
    listed = {index: (name, path) for index, name, path in root.manager("ListLinks")[0]}
    objects = root.objects()
    for name, index in indices.items():
        assert listed[index] == (escaped(name), link_path(index))
        assert plain(objects[link_path(index)][LINK])["Name"] == escaped(name)
        assert root.manager("GetLinkByName", "s", escaped(name)) == (index, link_path(index))
        assert root.manager("GetLinkByIndex", "i", index) == (escaped(name), link_path(index))
        assert root.link(index)["SysfsFlags"] == int(read_sysfs(name, "flags"), 16)
    assert root.manager("GetLinkByName", "s", "A")[0] == index_of("A")
    assert root.link(index_of("A"))["AlternativeNames"] == [escaped(b"alt\xff\\")]
    assert root.manager("GetLinkByName", "s", escaped(b"alt\xff\\"))[0] == index_of("A")
    # The flags, too, of such a link: nothing may turn its name into that of a neighbour.
    ip("link", "set", b"\\x41", "promisc", "on")
    root.wait(lambda: root.link(indices[b"\\x41"])["SysfsFlags"] & 0x100, what="PROMISC")
    await_agreement(root, "A")
    # A reference by that name, and a way for it into the log.
    id, path = root.acquire(indices[b"a\xffb"])
    assert [r["InterfaceName"] for r in root.references()] == [escaped(b"a\xffb")]
    ip("link", "set", b"a\xffb", "name", b"a\xfeb")
    root.wait(lambda: root.references()[0]["InterfaceName"] == escaped(b"a\xfeb"), what="new name")
    root.release(indices[b"a\xffb"], id)
    for name in ODD_NAMES:
        ip("link", "del", name if name != b"a\xffb" else b"a\xfeb")
    await_count(root, 2)
    assert all(c == "\n" or c.isprintable() for c in service.stderr()), service.stderr()


def await_count(bus, count):
    bus.wait(lambda: len(bus.manager("ListLinks")[0]) == count, what=f"{count} links")


def test_4000_links(start, client, links, holder):
    ip_batch(f"link add x{i} group {links.MANY} type ifb" for i in range(4000))
    indices = {name: index_of(name) for name in link_names()}
    last = max(indices, key=indices.get)
    start()
    root = client()
    mirror = Mirror(root)
    assert {name: index for index, name, _ in root.manager("ListLinks")[0]} == indices
    objects = root.objects()
    assert {p for p in objects if p != ROOT} == {link_path(i) for i in indices.values()}
    assert root.get(ROOT, MANAGER, "Links") == len(indices)
    for name in "lo", last:
        assert plain(objects[link_path(indices[name])][LINK]) == root.link(indices[name])
        assert not difference(root, name)

    # A change of the last is announced as one of the first would be.
    began = time.monotonic()
    holder().add(indices[last])
    root.await_signal("PromiscuityChanged", link_path(indices[last]))
    assert time.monotonic() - began < PROMPT
    assert root.get(ROOT, MANAGER, "PromiscuousLinks") == 1

    # They go at a stroke, and nothing remains.
    ip("link", "del", "group", links.MANY)
    await_count(root, 1)
    mirror.await_truth()
