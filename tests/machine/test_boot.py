# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system that boots with the service installed, and first calls."""

import pwd

from checks import error_of, rule
from links import run
from names import NEEDS_INTERACTION
from units import SERVICE, SOCKET, show, systemctl


def test_the_system_is_in_order():
    assert systemctl("is-system-running") == "running"
    assert systemctl("--failed", "--legend=no", "--plain") == ""


def test_the_user_was_made_at_boot():
    user = pwd.getpwnam("promisc")
    assert user.pw_gecos == "Promiscuous Mode Service"
    assert (user.pw_dir, user.pw_shell) == ("/", "/usr/sbin/nologin")
    assert 0 < user.pw_uid < 1000


def test_the_first_call_starts_it(client):
    assert [show(unit, "ActiveState") for unit in (SERVICE, SOCKET)] == ["inactive", "inactive"]
    bus = client("caller1")
    assert [name for _, name, _ in bus.manager("ListLinks")[0]] == ["lo"]
    assert [show(unit, "ActiveState") for unit in (SERVICE, SOCKET)] == ["active", "active"]


def test_a_plain_user_needs_a_rule(index, client, polkit):
    caller = client("caller1")
    assert error_of(caller.acquire, index)[0] == NEEDS_INTERACTION
    polkit.rules(rule('subject.user == "caller1" && action.id == "org.example.Promisc.acquire" && '
                      'action.lookup("interface") == "v0"'))
    id, _ = caller.acquire(index)
    assert caller.link(index)["Promiscuity"] == 1
    assert error_of(client("caller2").acquire, index)[0] == NEEDS_INTERACTION
    caller.release(index, id)
    assert caller.link(index)["Promiscuity"] == 0


def test_promiscctl(index):
    assert b"v0" in run("promiscctl", "--no-legend", "list", "v0")
    flags = run("promiscctl", "hold", "v0", "--reason=testing", "--", "cat", "/sys/class/net/v0/flags")
    assert int(flags, 16) & 0x100
    assert run("promiscctl", "--no-legend", "references") == b""
