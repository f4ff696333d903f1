# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each change is announced, in the kernel's order, once; and what was lost is found again."""

from links import await_agreement, counter, difference, index_of, ip
from names import LINK, MANAGER, ROOT, link_path

CHANGES = 10000


def test_each_of_10000_changes_in_a_burst(root, index, holder):
    since = len(root.log)
    holder().burst(index, CHANGES)
    root.wait(lambda: len(root.signals("PromiscuityChanged", since=since)) >= CHANGES, what="all changes")
    await_agreement(root, "v0")
    changes = root.signals("PromiscuityChanged", link_path(index), LINK, since)
    assert [(old, new) for old, new, _, _ in changes] == [(0, 1), (1, 0)] * (CHANGES // 2)
    assert {source for _, _, _, source in changes} == {"event"}
    times = [time for _, _, time, _ in changes]
    assert times == sorted(times)
    # The properties are for whoever wants to know how it is, not how it came to be.
    assert len(root.signals("PropertiesChanged", link_path(index), since=since)) < CHANGES / 10
    assert root.get(ROOT, MANAGER, "Overruns") == 0
    assert not root.signals("Resynchronized")


def test_two_links_burst_at_once(root, links, holder):
    pair = links.veth(), index_of("v1")
    await_agreement(root, "v1")
    since = len(root.log)
    sockets = [holder(), holder()]
    for _ in range(500):
        for h, index in zip(sockets, pair):
            h.burst(index, 2)
    root.wait(lambda: len(root.signals("PromiscuityChanged", since=since)) >= 2000, what="2000 changes")
    for index in pair:
        changes = root.signals("PromiscuityChanged", link_path(index), LINK, since)
        assert [c[:2] for c in changes] == [(0, 1), (1, 0)] * 500


def test_an_overrun_is_told_and_mended(start, client, links, holder):
    service = start("--resync-sec=0", receive_buffer=0)
    root = client().subscribe()
    index = links.veth()
    gone = links.veth("gone", "gone-peer")
    renamed = links.veth("old", "old-peer")
    await_agreement(root, "v0")
    await_agreement(root, "old")
    root.settle()
    since = len(root.log)

    service.pause()
    holder().burst(index, 2000)
    for _ in range(3):
        holder().add(index)
    ip("link", "del", "gone")
    ip("link", "set", "old", "down")
    ip("link", "set", "old", "name", "new")
    added = links.veth("added", "added-peer")
    service.resume()

    assert root.await_signal("Resynchronized", since=since)[0] == "overrun"
    assert root.get(ROOT, MANAGER, "Overruns") >= 1
    for name in "v0", "new", "added", "added-peer", "lo":
        assert not difference(root, name)
    assert root.link(renamed)["Name"] == "new"
    assert link_path(gone) not in root.objects()
    assert root.manager("GetLinkByName", "s", "added") == (added, link_path(added))

    # Some steps are lost, but each begins where the one before ended, and the last is the truth.
    changes = root.signals("PromiscuityChanged", link_path(index), LINK, since)
    readings = [0]
    for old, new, _, source in changes:
        assert old == readings[-1] != new
        assert source == "resync" or abs(new - old) == 1
        readings.append(new)
    assert readings[-1] == counter("v0") == 3
    assert changes[-1][3] == "resync"

    # And it goes on as before.
    since = len(root.log)
    holder().add(index)
    assert root.await_signal("PromiscuityChanged", since=since)[:2] == (3, 4)


def test_links_that_went_in_an_overrun(start, client, links, holder):
    """That they were there is still queued, that they went is lost."""
    service = start("--resync-sec=0", receive_buffer=0)
    root = client().subscribe()
    index = links.veth()
    pairs = [(f"gone{n}", f"peer{n}") for n in range(5)]
    gone = [link_path(i) for pair in pairs for i in (links.veth(*pair), index_of(pair[1]))]
    await_agreement(root, "peer4")
    await_agreement(root, "gone4")
    since = root.mark()
    service.pause()
    for name, peer in pairs:
        ip("link", "set", name, "mtu", "1400")
        ip("link", "set", peer, "mtu", "1400")
    holder().burst(index, 2000)
    for name, _ in pairs:
        ip("link", "del", name)
    service.resume()

    cause, corrected = root.await_signal("Resynchronized", since=since)
    # The burst may have left v0 either way in what is known of it.
    steps = root.signals("PromiscuityChanged", link_path(index), since=since)
    drifted = [source for _, _, _, source in steps if source == "resync"]
    assert (cause, corrected) == ("overrun", len(gone) + len(drifted))
    assert sorted(path for path, _ in root.signals("InterfacesRemoved", since=since)) == sorted(gone)
    assert {name for _, name, _ in root.manager("ListLinks")[0]} == {"lo", "v0", "v1"}
    for name in "lo", "v0", "v1":
        await_agreement(root, name)


def test_without_a_passed_socket(start, client, links, holder):
    start(receive_buffer="none")
    root = client().subscribe()
    index = links.veth()
    await_agreement(root, "v0")
    since = len(root.log)
    holder().add(index)
    old, new, _, source = root.await_signal("PromiscuityChanged", link_path(index), since=since)
    assert (old, new, source) == (0, 1, "event")
