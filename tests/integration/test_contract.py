# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running service against the shipped description, and what the bus policy allows."""

import json
import os
import xml.etree.ElementTree as ElementTree

import pytest

from bus import BusError, plain
from links import await_agreement, index_of, ip, link_names
from names import (BUILD, DBUS, DENIED, LINK, MANAGER, NAME, OBJECT_MANAGER, REFERENCE, ROOT, SOURCE,
                   link_path)

EMITS_CHANGED = DBUS + ".Property.EmitsChangedSignal"


def annotations(element):
    return {a.get("name"): a.get("value") for a in element.findall("annotation")}


def meaning(xml):
    """An introspection document without what has no meaning: comments, order of members, defaults."""
    interfaces = {}
    for interface in ElementTree.fromstring(xml).findall("interface"):
        members = {"": annotations(interface)}
        for method in interface.findall("method"):
            members["method", method.get("name")] = annotations(method), [
                (a.get("direction", "in"), a.get("name"), a.get("type")) for a in method.findall("arg")]
        for signal in interface.findall("signal"):
            assert all(a.get("direction", "out") == "out" for a in signal.findall("arg"))
            members["signal", signal.get("name")] = annotations(signal), [
                (a.get("name"), a.get("type")) for a in signal.findall("arg")]
        for p in interface.findall("property"):
            members["property", p.get("name")] = p.get("type"), p.get("access"), {
                EMITS_CHANGED: "true", **annotations(p)}
        assert interface.get("name") not in interfaces
        interfaces[interface.get("name")] = members
    return interfaces


def introspect(bus, path):
    return bus.call(path, DBUS + ".Introspectable", "Introspect")[0]


def test_introspection_is_the_shipped_description(root, index):
    _, reference = root.acquire(index)
    with open(SOURCE + "/interface/org.example.Promisc.xml") as f:
        shipped = meaning(f.read())
    assert shipped.keys() == {LINK, MANAGER, REFERENCE}
    for path, interface in (ROOT, MANAGER), (link_path(index), LINK), (reference, REFERENCE):
        served = meaning(introspect(root, path))
        assert served.pop(interface) == shipped[interface]
        # beside it only what the bus has everywhere, and no other object's
        assert all(name.startswith(DBUS + ".") for name in served), served.keys()
        assert (OBJECT_MANAGER in served) == (path == ROOT)
        # a property that is not described, or described otherwise, can be seen in no other way either
        values = root.call(path, DBUS + ".Properties", "GetAll", "s", (interface,))[0]
        assert {name: signature for name, (signature, _) in values.items()} == {
            name: members[0] for (kind, name), members in
            ((k, m) for k, m in shipped[interface].items() if k) if kind == "property"}


def test_the_tree_can_be_walked(root, links):
    links.veth()
    await_agreement(root, "v1")
    id, _ = root.acquire(index_of("v0"))

    def children(path):
        return {n.get("name") for n in ElementTree.fromstring(introspect(root, path)).findall("node")}
    assert children("/") == {"org"}
    assert children(ROOT) == {"link", "reference"}
    assert children(ROOT + "/link") == {str(index_of(n)) for n in link_names()}
    assert children(ROOT + "/reference") == {str(id)}


def test_the_object_manager_agrees_with_get(root, links):
    index = links.veth()
    ip("link", "set", "v1", "promisc", "on")
    await_agreement(root, "v0")
    await_agreement(root, "v1")
    _, reference = root.acquire(index)
    objects = root.objects()
    names = link_names()
    assert {p for p in objects if p != ROOT} == {reference, *(link_path(index_of(name)) for name in names)}
    for path, interfaces in objects.items():
        for interface in interfaces.keys() & {LINK, MANAGER, REFERENCE}:
            assert plain(interfaces[interface]) == root.get_all(path, interface)
    assert [root.get(ROOT, MANAGER, n) for n in ("Links", "PromiscuousLinks", "References")] == [3, 2, 1]


def test_what_the_manager_says(root):
    with open(BUILD + "/meson-info/intro-projectinfo.json") as f:
        version = json.load(f)["version"]
    said = root.get_all(ROOT, MANAGER)
    assert said["Version"] == version
    assert said["NetworkNamespace"] == os.stat("/proc/self/ns/net").st_ino
    assert said["Overruns"] == 0


def test_only_what_changed_is_announced(root, index, holder):
    """That each announced value is another than before, the fixture sees to."""
    first = holder().add(index)
    await_agreement(root, "v0")
    root.settle()
    since = len(root.log)
    holder().add(index)
    await_agreement(root, "v0")
    _, changed, _ = root.await_signal("PropertiesChanged", link_path(index), since=since)
    assert changed == {"Promiscuity": ("u", 2), "Holders": ("a{su}", {"packet-socket": 2})}
    since = len(root.log)
    ip("link", "set", "v0", "mtu", "1300")      # an event with nothing in it for us
    first.drop(index)
    _, changed, _ = root.await_signal("PropertiesChanged", since=since)
    assert changed == {"Promiscuity": ("u", 1), "Holders": ("a{su}", {"packet-socket": 1})}
    root.settle()
    assert len(root.signals("PropertiesChanged", since=since)) == 1


def test_who_may_own_the_name(client, service, polkit):
    for user in "caller1", "caller2", "polkitd", "messagebus":
        with pytest.raises(BusError) as e:
            client(user).bus("RequestName", "su", NAME, 2)
        assert e.value.name == DENIED
    # The service's own user and root may; they wait in line here.
    for user in "promisc", "root":
        assert client(user).bus("RequestName", "su", NAME, 0) == (2,)


def test_everybody_may_look(root, client, index, polkit):
    id, path = root.acquire(index)
    caller = client("caller1").subscribe()
    assert caller.link(index) == root.link(index)
    assert caller.objects() == root.objects()
    assert caller.references() == root.references()
    assert caller.manager("ListLinks") == root.manager("ListLinks")
    root.release(index, id)
    assert caller.await_released(id) == "released"
    assert caller.await_signal("PromiscuityChanged", match=lambda old, new, *_: new == 0)
