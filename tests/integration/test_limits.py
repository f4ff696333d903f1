# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits: reached, told by name, and given back."""

import pytest

from bus import BusError
from checks import EVERYBODY
from links import await_agreement, counter
from names import LIMIT, MANAGER, ROOT


def refused(bus, index):
    """The message of LimitsExceeded."""
    with pytest.raises(BusError) as e:
        bus.acquire(index)
    assert e.value.name == LIMIT
    return e.value.message


def test_per_user_in_all_and_roots_reserve(start, client, links, polkit):
    polkit.rules(EVERYBODY)
    index = links.veth()
    start("--references-per-user-max=3", "--references-max=261")    # 5, and 256 for root
    root = client().subscribe()
    assert root.get(ROOT, MANAGER, "ReferencesPerUserMax") == 3
    assert root.get(ROOT, MANAGER, "ReferencesMax") == 261
    one, same_user, other = client("caller1"), client("caller1"), client("caller2")
    ids = [one.acquire(index)[0], one.acquire(index)[0], same_user.acquire(index)[0]]
    root.settle()
    since = len(root.log)
    assert "ReferencesPerUserMax" in refused(one, index)
    assert "ReferencesPerUserMax" in refused(same_user, index)
    # Nothing has changed by that.
    assert counter("v0") == 3 == len(root.references())
    root.settle()
    assert not [s for s in root.log[since:] if hasattr(s, "member")]

    assert other.acquire(index) and other.acquire(index)
    assert "ReferencesMax" in refused(other, index)     # its third, but the sixth of all
    assert counter("v0") == 5
    of_root = [root.acquire(index)[0] for _ in range(256)]
    assert "ReferencesMax" in refused(root, index)
    assert counter("v0") == 261 == root.get(ROOT, MANAGER, "References")

    # What is given back can be had again, but the last 256 by root alone.
    root.release(index, of_root.pop())
    assert "ReferencesMax" in refused(other, index)
    of_root.append(root.acquire(index)[0])
    refused(root, index)
    while of_root:
        root.release(index, of_root.pop())
    same_user.release(index, ids.pop())
    assert other.acquire(index)
    refused(one, index)
    # Also what a killed one held.
    since = root.mark()
    other.kill()
    vanished = [("owner-vanished",)] * 3
    root.wait(lambda: root.signals("Released", since=since) == vanished, what="all released")
    assert one.acquire(index)
    refused(one, index)
    assert counter("v0") == 3


def test_the_usual_limits(root, client, index, fake_polkit):
    assert root.get(ROOT, MANAGER, "ReferencesMax") == 4096
    most = root.get(ROOT, MANAGER, "ReferencesPerUserMax")
    assert most == 256
    caller = client("caller1")
    for held in range(0, most, 8):      # as many at a time as may be pending
        calls = [caller.send_acquire(index) for _ in range(8)]
        for check in fake_polkit.await_checks(held + 8)[-8:]:
            fake_polkit.verdict(check, True)
        for serial in calls:
            caller.reply(serial)
    assert counter("v0") == most
    assert "ReferencesPerUserMax" in refused(caller, index)
    # Root is no user in this sense.
    for _ in range(most + 1):
        root.acquire(index)
    assert counter("v0") == 2 * most + 1


def test_sockets_for_links_without_address(root, links):
    """A tun takes a packet socket for each reference; they are bounded, and the bound is told."""
    index = links.tun("t0")
    await_agreement(root, "t0")
    held = 0
    with pytest.raises(BusError) as e:
        while held < 2000:
            root.acquire(index)
            held += 1
    assert e.value.name == LIMIT
    assert "socket" in e.value.message
    assert counter("t0") == held == len(root.references()) > 100
    # That is no limit for links that share.
    veth = links.veth()
    await_agreement(root, "v0")
    assert root.acquire(veth)
    # and room that was given back can be had again
    root.release(index, root.references()[0]["Id"])
    assert root.acquire(index)
    assert root.link(index)["Promiscuity"] == held == counter("t0")
