# SPDX-License-Identifier: LGPL-2.1-or-later
"""What promiscctl shows; for hold see test_hold.py."""

import json
import os
import select
import signal
import subprocess

import pytest

from links import PacketSocket, index_of, ip, run
from names import BUILD, DEADLINE

PROMISCCTL = BUILD + "/client/promiscctl"
ABSENT = "promiscd is not on the bus; is promisc.service running?"


def promiscctl(*arguments, **environment):
    """Exit status, what it printed, and what it complains of."""
    done = subprocess.run([PROMISCCTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(), done.stderr.decode().replace("promiscctl: ", "")


def rows(*arguments):
    """The last column of list, by name."""
    status, shown, complaint = promiscctl("list", "--no-legend", *arguments)
    assert (status, complaint) == (0, "")
    return {words[1]: words[5] for words in (line.split(None, 5) for line in shown.splitlines())}


def test_held_by(root, index):
    def held_by():
        shown = json.loads(promiscctl("--json=short", "list", "v0")[1])[0]
        assert shown["count"] == sum(shown["held_by"].values())
        assert f"Held By: {rows('v0')['v0']}\n" in promiscctl("status", "v0")[1]
        return rows("v0")["v0"]

    def counted(n):
        root.wait(lambda: root.link(index)["Promiscuity"] == n, what=f"{n} units")

    assert held_by() == "-"
    with PacketSocket() as one, PacketSocket() as two:
        one.add(index)
        two.add(index)
        counted(2)
        assert held_by() == "2 other"
        ip("link", "set", "v0", "promisc", "on")
        counted(3)
        assert held_by() == "user, 2 other"
        root.acquire(index)
        assert held_by() == "1 reference, user, 2 other"
        assert "3 units of the counter are held, 1 through promiscd and 2 by somebody else" in \
            " ".join(promiscctl("status", "v0")[1].split())
    counted(2)
    assert held_by() == "1 reference, user"


def test_list_by_index(service, links):
    veth = links.veth("eth0", "far0")
    assert list(rows(str(veth))) == ["eth0"]
    # A name goes before an index.
    links.veth(str(veth), "far1")
    assert list(rows(str(veth))) == [str(veth)]
    assert set(rows("1", "far*")) == {"lo", "far0", "far1"}


@pytest.mark.parametrize("arguments, complaint", [
    (["list", "nope"], "Cannot list nope: no such link\n"),
    (["list", "4711"], "Cannot list 4711: no such link\n"),
    (["status", "nope"], "Cannot find nope: no such link\n"),
    (["release", "4711"], "Cannot release 4711: no such reference\n"),
])
def test_missing(service, arguments, complaint):
    assert promiscctl(*arguments) == (1, "", complaint)


@pytest.mark.parametrize("arguments, verb", [
    (["list"], "list the links"), (["status", "lo"], "find lo"), (["references"], "list the references"),
    (["release", "1"], "release 1"),
])
def test_no_service(arguments, verb):
    assert promiscctl(*arguments) == (1, "", f"Cannot {verb}: {ABSENT}\n")


def test_no_connection():
    status, shown, complaint = promiscctl("-M", "nope")
    assert (status, shown) == (1, "")
    assert complaint == "Cannot connect to the system bus of nope: no such container is running\n"


def test_status_fits(service, links):
    links.veth("eth0", "far0")
    with PacketSocket() as holder:
        holder.add(index_of("eth0"))
        for columns in 80, 120:
            _, shown, _ = promiscctl("status", "eth0", "far0", COLUMNS=str(columns))
            why = shown[shown.index("Why:"):].splitlines()
            assert 60 < max(map(len, why)) <= columns
            assert shown.count("RUNNING, LOWER_UP and DORMANT") == 1
            assert shown.split("\n\n")[-1].startswith("RUNNING, LOWER_UP and DORMANT")


def test_help_has_all_options():
    shown = promiscctl("--help")[1]
    for option in ("--reason=", "--timeout=", "--json=", "--no-legend", "--host=", "--machine=",
                   "--no-ask-password"):
        assert option in shown


@pytest.fixture
def monitor(links):
    """monitor(argument, …) → promiscctl monitor"""
    running = []

    def new(*arguments):
        running.append(subprocess.Popen([PROMISCCTL, "monitor", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0))
        return running[-1]
    yield new
    for m in running:
        m.kill()
        m.communicate()


def line(stream):
    assert select.select([stream], [], [], DEADLINE)[0], "says nothing"
    return stream.readline().decode()


def test_monitor(monitor, start, links):
    m = monitor("eth0")
    assert line(m.stderr) == f"promiscctl: Waiting for the service: {ABSENT}\n"
    start()
    assert line(m.stderr) == "promiscctl: promiscd is on the bus\n"
    assert line(m.stdout).split() == ["TIME", "LINK", "CHANGE", "SOURCE"]
    assert line(m.stderr) == "promiscctl: Waiting for eth0: no such link yet\n"
    links.veth("eth0", "far0")
    assert line(m.stdout).split(None, 2)[2] == "eth0            new link, counter 0\n"
    run(PROMISCCTL, "hold", "eth0", "--reason=a test", "--", "true")
    shown = [line(m.stdout) for _ in range(4)]
    assert [s.split(None, 3)[3].split()[:3] for s in shown if "→" in s] == [["0", "→", "1"], ["1", "→", "0"]]
    assert len([s for s in shown if "taken by UID 0" in s and s.endswith(": a test\n")]) == 1
    times = [" ".join(s.split()[:2]) for s in shown]
    assert times == sorted(times)
    m.send_signal(signal.SIGINT)
    assert m.wait(DEADLINE) == 0


def test_monitor_name_before_index(monitor, service, links):
    veth = links.veth("eth0", "far0")
    other = links.veth(str(veth), "far1")
    m = monitor(str(veth))
    assert line(m.stdout).startswith("TIME")
    with PacketSocket() as holder:
        for index in veth, other:
            holder.add(index)
        assert line(m.stdout).split()[2:] == [str(veth), "0", "→", "1", "event"]
    assert line(m.stdout).split()[2:] == [str(veth), "1", "→", "0", "event"]


def test_terminal_signals():
    """What the sandbox starts is not deaf to Ctrl+C."""
    with open("/proc/self/status") as f:
        ignored = int(next(row for row in f if row.startswith("SigIgn")).split()[1], 16)
    assert not ignored & (1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1)
