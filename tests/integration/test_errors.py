# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error of the contract, by the name that programs go by and with words for people."""

import sys
import unicodedata

import pytest

from bus import BusError
from checks import error_of, nothing_changes
from links import await_agreement, counter, index_of, ip, ip_link
from names import (DBUS, DBUS_ERROR, ERROR, INVALID, LINK, MANAGER, NO_SUCH_LINK, NO_SUCH_REFERENCE,
                   OBJECT_MANAGER, PROPERTIES, REFERENCE, ROOT, UNKNOWN_OBJECT, link_path)


def test_reasons(root, index):
    with nothing_changes(root, "v0"):
        for reason in "", "a" * 257, "é" * 128 + "a", "a" * 10000, "€" * 86:
            name, message = error_of(root.acquire, index, reason)
            assert name == INVALID and "reason" in message.lower()
    good = ["a", "a" * 256, "é" * 128, "naïve – “quoted” 日本語 🔍", "50% of $HOME; \\ 'x' \"y\" <b>"]
    for reason in good:
        root.acquire(index, reason)
    assert [r["Reason"] for r in sorted(root.references(), key=lambda r: r["Id"])] == good


def test_no_reason_has_characters_that_deceive(root, index):
    """All control and format characters that Unicode knows, those for direction among them."""
    bad = [c for c in map(chr, range(1, sys.maxunicode + 1)) if unicodedata.category(c) in ("Cc", "Cf")]
    assert set("\n\x7f\x85\u061c\u200e\u200f\u202e\u2066\u2069\U000e0041") < set(bad)
    with nothing_changes(root, "v0"):
        for c in bad:
            for reason in c, f"good {c} text":
                with pytest.raises(BusError) as e:
                    root.acquire(index, reason)
                assert e.value.name == INVALID and "reason" in e.value.message.lower(), f"{c!r}"
                # nor does the message bring it to a terminal
                assert e.value.message.isprintable(), f"{c!r}"


def test_options(root, index):
    with nothing_changes(root, "v0"):
        for name, value in (("colour", ("s", "red")), ("Timeout", ("t", 1)), ("", ("t", 1)),
                            ("timeout", ("u", 5)), ("timeout", ("s", "5")), ("timeout", ("x", 5)),
                            ("timeout", ("at", [5])), ("timeout", ("t", 2 ** 64 - 1)),
                            ("timeout", ("t", 2 ** 63))):
            error, message = error_of(root.acquire, index, "good", {name: value})
            assert error == INVALID and name in message, (name, value, message)
        # a good one does not excuse a bad one
        options = {"timeout": ("t", 10 ** 6), "x": ("t", 1)}
        assert error_of(root.acquire, index, "good", options)[0] == INVALID
        assert error_of(root.acquire, index, "good", {"x\n\u202e": ("t", 1)})[1].isprintable()


def test_arguments_of_other_types(root, index):
    with nothing_changes(root, "v0"):
        for interface, member, signature, body, path in (
                (LINK, "Acquire", "s", ("x",), link_path(index)),
                (LINK, "Acquire", "sa{ss}", ("x", {}), link_path(index)),
                (LINK, "Acquire", "", (), link_path(index)),
                (LINK, "Release", "u", (1,), link_path(index)),
                (LINK, "Release", "", (), link_path(index)),
                (MANAGER, "GetLinkByIndex", "u", (1,), ROOT),
                (MANAGER, "GetLinkByIndex", "s", ("lo",), ROOT),
                (MANAGER, "GetLinkByName", "i", (1,), ROOT),
                (MANAGER, "ListLinks", "s", ("x",), ROOT),
                (MANAGER, "ListReferences", "i", (1,), ROOT)):
            name = error_of(root.call, path, interface, member, signature, body)[0]
            assert name == INVALID, (member, signature)


def test_no_such_link(root, index):
    with nothing_changes(root, "v0"):
        for i in 0, -1, index + 1000, 2 ** 31 - 1, -2 ** 31:
            name, message = error_of(root.manager, "GetLinkByIndex", "i", i)
            assert name == NO_SUCH_LINK and str(i) in message
        for n in ("nosuch", "", "v", "V0", "v00", "a" * 5000, "../lo", "é", "v0\\", "\\", "\\x", "\\xz0",
                  "\\x7", "v0\\x00"):
            name, message = error_of(root.manager, "GetLinkByName", "s", n)
            assert name == NO_SUCH_LINK, n
            assert message.isprintable() and len(message) < 2000


def test_no_such_reference(root, index):
    id, path = root.acquire(index)
    with nothing_changes(root, "v0"):
        for wrong in id + 1, id - 1, 0, 2 ** 64 - 1:
            name, message = error_of(root.release, index, wrong)
            assert name == NO_SUCH_REFERENCE and str(wrong) in message
        # held, but on the other link
        assert error_of(root.release, index_of("v1"), id)[0] == NO_SUCH_REFERENCE
    root.release(index, id)
    with nothing_changes(root, "v0"):
        assert error_of(root.release, index, id)[0] == NO_SUCH_REFERENCE
        assert error_of(root.call, path, REFERENCE, "Release")[0] == UNKNOWN_OBJECT


def test_no_such_object(root, index):
    id, _ = root.acquire(index)
    wrong = [f"{ROOT}/{rest}" for rest in (
        "other", "link/0", "link/x", "link/_1", f"link/{index + 1000}", f"link/0{index}", f"link/{index}x",
        f"link/{index}/{index}", f"link/{index + 2 ** 32}", f"link/0x{index:x}", "link/99999999999999999999",
        "reference/0", "reference/x", f"reference/{id + 1}", f"reference/0{id}", f"reference/{id}/x",
        f"reference/{id + 2 ** 64}")]
    for path in [*wrong, "/org/example/Other"]:
        for interface in LINK, REFERENCE, MANAGER:
            assert error_of(root.get_all, path, interface)[0] == UNKNOWN_OBJECT, path
        for interface, member in (LINK, "Acquire"), (REFERENCE, "Release"), (MANAGER, "ListLinks"):
            name = error_of(root.call, path, interface, member)[0]
            assert name == UNKNOWN_OBJECT, (path, member)
    with nothing_changes(root, "v0"):
        for path in wrong:
            name = error_of(root.call, path, LINK, "Acquire", "sa{sv}", ("x", {}))[0]
            assert name == UNKNOWN_OBJECT


def test_no_such_method_or_property(root, index):
    id, reference = root.acquire(index)
    for path, interface, another in ((ROOT, MANAGER, LINK), (link_path(index), LINK, MANAGER),
                                     (reference, REFERENCE, LINK)):
        assert error_of(root.call, path, interface, "NoSuchMethod")[0] == DBUS_ERROR + "UnknownMethod"
        assert error_of(root.get, path, interface, "NoSuchProperty")[0] == DBUS_ERROR + "UnknownProperty"
        # of another object
        assert error_of(root.call, path, another, "Acquire", "sa{sv}", ("x", {}))[0] in (
            DBUS_ERROR + "UnknownMethod", DBUS_ERROR + "UnknownInterface")
        assert error_of(root.get_all, path, another)[0] == DBUS_ERROR + "UnknownInterface"
        # nothing can be set
        for name, value in root.call(path, PROPERTIES, "GetAll", "s", (interface,))[0].items():
            assert error_of(root.call, path, PROPERTIES, "Set", "ssv", (interface, name, value))[0] == (
                DBUS_ERROR + "PropertyReadOnly"), name
    name = error_of(root.call, link_path(index), OBJECT_MANAGER, "GetManagedObjects")[0]
    assert name == DBUS_ERROR + "UnknownMethod"
    assert root.call(ROOT, DBUS + ".Peer", "Ping") == ()


def test_a_corrupt_counter(root, links, index):
    """The kernel lets a counter underflow: the lower device of a passthru macvlan is left at 2^32 - 1."""
    links.add("m0", "macvlan", "mode", "passthru", lower="v0")
    ip("link", "set", "m0", "type", "macvlan", "mode", "passthru", "nopromisc")
    if counter("v0") == 0:
        # a kernel without the fault: then one more is no trouble
        assert root.acquire(index)
        assert counter("v0") == 1
        return
    assert counter("v0") == 2 ** 32 - 1
    # shown, not hidden
    await_agreement(root, "v0")
    assert root.link(index)["Promiscuity"] == 2 ** 32 - 1
    with nothing_changes(root, "v0"):
        name, message = error_of(root.acquire, index)
        assert name == ERROR + "CounterOverflow" and "v0" in message


def test_a_call_that_wants_no_answer(root, index):
    """A failed one is told to nobody; a good one works as any other."""
    NO_REPLY_EXPECTED = 1
    root.send(link_path(index), LINK, "Acquire", "sa{sv}", ("", {}), flags=NO_REPLY_EXPECTED)
    root.send(link_path(index), LINK, "Acquire", "sa{sv}", ("unheard", {}), flags=NO_REPLY_EXPECTED)
    root.await_signal("InterfacesAdded", match=lambda path, i: REFERENCE in i)
    assert ip_link("v0")["promiscuity"] == 1 and [r["Reason"] for r in root.references()] == ["unheard"]


def test_no_descriptor_is_left(start, client, links):
    """On a tun each reference takes a socket. What fails then leaves room for everything else."""
    start(prefix=["prlimit", "--nofile=40:40"])
    root = client().subscribe()
    index, veth = links.tun("t0"), links.veth()
    await_agreement(root, "v0")
    first, _ = root.acquire(index)
    held = 1
    with pytest.raises(BusError) as e:
        while held < 40:
            root.acquire(index)
            held += 1
    assert e.value.name == DBUS_ERROR + "Failed" and "descriptor" in e.value.message
    assert counter("t0") == held == len(root.references())
    with nothing_changes(root, "t0", "v0"):
        assert error_of(root.acquire, index)[0] == DBUS_ERROR + "Failed"
    # Room on a socket that is there needs none.
    ip("link", "set", "v0", "promisc", "on")
    await_agreement(root, "v0")
    root.release(index, first)
    assert root.acquire(index)
    assert counter("t0") == held
