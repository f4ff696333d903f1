# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator finds in the journal."""

from checks import error_of
from links import PacketSocket, ip, run
from names import LINK, NEEDS_INTERACTION, link_path
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


STARTED, STOPPED = "0f3e5c1b7a9d4d3c8e6f21b0a4c7d985", "c7a1d94e6b2f4f0b9d8e35a7106fc2be"


def test_an_audit_trail(root, index):
    since = journal_cursor()

    def await_units(n):
        root.wait(lambda: root.get(link_path(index), LINK, "Promiscuity") == n)
    with PacketSocket() as sock:
        sock.add(index)
        await_units(1)
        ip("link", "set", "v0", "promisc", "on")
        await_units(2)
    ip("link", "set", "v0", "promisc", "off")
    await_units(0)
    trail = [(e["MESSAGE_ID"], e["PROMISC_INTERFACE"], e["PROMISC_HOLDERS"])
             for e in journal(f"--after-cursor={since}", f"MESSAGE_ID={STARTED}", f"MESSAGE_ID={STOPPED}")]
    assert len(trail) == 2
    assert trail[0][:2] == (STARTED, "v0") and trail[0][2].startswith("packet-socket=1")
    assert trail[1][:2] == (STOPPED, "v0") and trail[1][2] in ("user", "packet-socket")

    # journalctl -x explains it.
    run("journalctl", "--update-catalog")
    said = run("journalctl", "-x", f"--after-cursor={since}", f"MESSAGE_ID={STARTED}").decode()
    assert "Subject: Network interface v0 became promiscuous" in said and "packet-socket=1" in said


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
