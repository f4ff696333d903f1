# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator finds in the journal."""

from checks import error_of
from links import ip, run
from names import NEEDS_INTERACTION
from units import SERVICE, SOCKET, journal, journal_cursor, systemctl


def test_a_reference_is_found_by_its_fields(root, index):
    id, _ = root.acquire(index, "looking")
    root.release(index, id)
    entries = journal(f"PROMISC_REFERENCE={id}")
    assert [entry["PROMISC_INTERFACE"] for entry in entries] == ["v0", "v0"]
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {SERVICE}
    assert "looking" in entries[0]["MESSAGE"]
    cursors = {entry["__CURSOR"] for entry in entries}
    assert cursors <= {entry["__CURSOR"] for entry in journal("PROMISC_INTERFACE=v0")}


def test_normal_use_is_no_reason_to_worry(client, links, polkit):
    since = journal_cursor()
    root = client().subscribe()
    assert root.manager("ListLinks")
    index = links.veth()
    root.wait(lambda: "v0" in [name for _, name, _ in root.manager("ListLinks")[0]])
    run("promiscctl", "hold", "v0", "--", "promiscctl", "status", "v0")
    assert error_of(client("caller1").acquire, index)[0] == NEEDS_INTERACTION
    _, path = root.acquire(index)
    client().acquire(index)
    root.acquire(index, "for a moment", {"timeout": ("t", 1)})
    ip("link", "del", "v0")
    root.await_signal("Released", path)
    systemctl("restart", SERVICE)
    systemctl("stop", SERVICE)

    of_it = f"--after-cursor={since}", f"--unit={SERVICE}", f"--unit={SOCKET}"
    assert journal(*of_it)
    assert [entry["MESSAGE"] for entry in journal(*of_it, "--priority=warning")] == []
