# SPDX-License-Identifier: LGPL-2.1-or-later
"""What promiscctl shows; for hold see test_hold.py."""

import json
import os
import select
import signal
import subprocess
import time

import pytest

from links import PacketSocket, index_of, ip, run
from names import BUILD, DEADLINE

PROMISCCTL = BUILD + "/client/promiscctl"
ABSENT = "promiscd is not on the bus; is promisc.service running?"


def name_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().rstrip("\n")


def promiscctl(*arguments, user=None, **environment):
    """Exit status, what it printed, and what it complains of."""
    prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
    done = subprocess.run([*prefix, PROMISCCTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(), done.stderr.decode().replace("promiscctl: ", "")


def rows(*arguments):
    """The last column of list, by name."""
    status, shown, complaint = promiscctl("list", "--no-legend", *arguments)
    assert (status, complaint) == (0, "")
    return {words[1]: words[5] for words in (line.split(None, 5) for line in shown.splitlines())}


def status(*arguments, **how):
    """What it shows, in one line, and what it complains of."""
    code, shown, complaint = promiscctl("status", *arguments, **how)
    assert code == 0
    return " ".join(shown.split()), complaint


def test_held_by(root, index):
    def held_by():
        shown = json.loads(promiscctl("--json=short", "list", "v0")[1])[0]
        assert shown["count"] == sum(shown["held_by"].values())
        assert shown["held_by"] == root.link(index)["Holders"]
        return rows("v0")["v0"]

    def counted(n):
        root.wait(lambda: root.link(index)["Promiscuity"] == n, what=f"{n} units")

    assert held_by() == "-"
    with PacketSocket() as one, PacketSocket() as two:
        one.add(index)
        two.add(index)
        counted(2)
        assert held_by() == "packet-socket ×2"
        ip("link", "set", "v0", "promisc", "on")
        counted(3)
        assert held_by() == "user, packet-socket ×2"
        root.acquire(index)
        assert held_by() == "user, reference, packet-socket ×2"
    counted(2)
    assert held_by() == "user, reference"


def test_status_says_who(root, index, tcpdump, holder):
    """Each holder, the processes of another user too, and the sentence that explains it."""
    first, second = tcpdump("v0"), tcpdump("v0")
    holder().add(index)
    root.acquire(index, "a test")
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "v0", "master", "br0")
    root.wait(lambda: root.link(index)["Holders"] == {"packet-socket": 3, "reference": 1, "bridge": 1}, what="five")
    me = f"{name_of(os.getpid())} (pid {os.getpid()})"
    both = [f"tcpdump (pid {t.process.pid})" for t in (first, second)]
    shown, complaint = status("v0")
    assert complaint == ""
    for who in [*both, me]:
        assert f"packet-socket: {who}" in shown
    assert "bridge: br0 " in shown and ", UID 0: a test" in shown
    assert "because nobody set the flag by hand; one reference that promiscd keeps holds it: " in shown
    clause = shown.split("; three packet sockets hold it: ")[1].split("; one bridge above it holds it: br0.")[0]
    assert sorted(clause.replace(" and ", ", ").split(", ")) == sorted([*both, me])

    holders = json.loads(promiscctl("--json=short", "status", "v0")[1])[0]["holders"]
    assert sorted(p["pid"] for h in holders if h["kind"] == "packet-socket" for p in h["processes"]) == sorted(
        [first.process.pid, second.process.pid, os.getpid()])
    assert [h["upper"] for h in holders if h["kind"] == "bridge"] == ["br0"]


def test_status_for_others(root, index, holder, tcpdump):
    """Who may not know who they are sees the kinds, is told so once, and is not asked for a password."""
    tcpdump("v0")
    holder().add(index)
    for how in ["v0", "v0"], ["--json=short", "v0", "v0"]:
        shown, complaint = status(*how, user="caller1")
        assert complaint.count("Only kinds of holders are shown") == 1
        assert "tcpdump" not in shown
    shown, _ = status("v0", user="caller1")
    assert "Held By: packet-socket ×2 " in shown and "; two packet sockets hold it." in shown


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

    def new(*arguments, user="root"):
        running.append(subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--",
                                         PROMISCCTL, "monitor", *arguments], stdin=subprocess.DEVNULL,
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
    assert line(m.stdout).split() == ["TIME", "LINK", "CHANGE", "SOURCE", "WHO"]
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


def events(m, n):
    """The last columns of so many lines."""
    return [line(m.stdout).split(None, 7)[3:] for _ in range(n)]


def change(old, new, who):
    return [str(old), "→", str(new), "event", who + "\n"]


def test_monitor_name_before_index(monitor, service, links):
    veth = links.veth(str(links.veth("eth0", "far0")), "far1")
    other = links.veth(str(veth), "far2")
    m = monitor(str(veth))
    assert line(m.stdout).startswith("TIME")
    with PacketSocket() as holder:
        for index in veth, other:
            holder.add(index)
        me = f"packet-socket: {name_of(os.getpid())} (pid {os.getpid()})"
        assert line(m.stdout).split(None, 2)[2] == f"{veth:<15} 0 → 1       event  +{me}\n"
    assert line(m.stdout).split(None, 2)[2] == f"{veth:<15} 1 → 0       event  -{me}\n"


def test_monitor_says_who(monitor, service, root, index, tcpdump):
    """Who came and who went: also one who was there before, and is gone when it is told."""
    before = tcpdump("v0")
    m = monitor("v0")
    assert line(m.stdout).startswith("TIME")
    ip("link", "set", "v0", "promisc", "on")
    assert events(m, 1) == [change(1, 2, "+user")]
    after = tcpdump("v0")
    assert events(m, 1) == [change(2, 3, f"+packet-socket: tcpdump (pid {after.process.pid})")]
    before.stop()
    assert events(m, 1) == [change(3, 2, f"-packet-socket: tcpdump (pid {before.process.pid})")]
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "v0", "master", "br0")
    assert events(m, 1) == [change(2, 3, "+bridge: br0")]
    after.stop()
    assert events(m, 1) == [change(3, 2, f"-packet-socket: tcpdump (pid {after.process.pid})")]


def test_monitor_in_a_burst(monitor, service, root, index, holder):
    """Each step has its line, in order; those that could not be told apart refer to the next."""
    m = monitor("v0")
    assert line(m.stdout).startswith("TIME")
    holder().burst(index, 200)
    kept = [holder().add(index) for _ in range(3)]
    steps = events(m, 203)
    assert [(int(s[0]), int(s[2])) for s in steps] == [(0, 1), (1, 0)] * 100 + [(0, 1), (1, 2), (2, 3)]
    who = [s[4].rstrip("\n") for s in steps]
    assert who[-1] != "…"
    changes = [c.split(":")[0] for w in who if w not in ("…", "as before") for c in w.split("; ")]
    net = 0
    for c in changes:
        kind, _, times = c.partition(" ×")
        assert kind in ("+packet-socket", "-packet-socket")
        net += int(kind[0] + (times or "1"))
    assert net == len(kept)


def test_monitor_link_goes(monitor, service, root, index):
    """After all else of it, at its time."""
    m = monitor("v0")
    assert line(m.stdout).startswith("TIME")
    id, _ = root.acquire(index, "going")
    ip("link", "del", "v0")
    shown = []
    while not shown or "link is gone" not in shown[-1]:
        shown.append(line(m.stdout))
    assert any(f"reference {id} ended: link-removed" in s for s in shown)
    times = [" ".join(s.split()[:2]) for s in shown]
    assert times == sorted(times) and times[0].startswith("20")


def test_monitor_json(monitor, service, root, index, holder):
    m = monitor("--json=short", "v0")
    sock = holder()
    end = time.monotonic() + DEADLINE
    while not select.select([m.stdout], [], [], 0.1)[0]:    # it does not say when it has begun
        assert time.monotonic() < end
        sock.burst(index, 2)
    kept = holder().add(index)
    while True:
        step = json.loads(line(m.stdout))
        assert (step["gained"] is None) == (step["lost"] is None)
        if os.fstat(kept.sock.fileno()).st_ino in {h["inode"] for h in step["gained"] or []}:
            break
    assert (step["event"], step["old"], step["new"]) == ("promiscuity", 0, 1)
    assert [p["pid"] for h in step["gained"] for p in h["processes"]] == [os.getpid()]


def test_monitor_for_others(monitor, service, root, index, tcpdump):
    m = monitor("v0", user="caller1")
    assert line(m.stdout).startswith("TIME")
    t = tcpdump("v0")
    assert "Only kinds of holders are shown" in line(m.stderr)
    assert events(m, 1) == [change(0, 1, "+packet-socket")]
    ip("link", "set", "v0", "promisc", "on")
    assert events(m, 1) == [change(1, 2, "+user")]
    t.stop()
    assert events(m, 1) == [change(2, 1, "-packet-socket")]


def test_terminal_signals():
    """What the sandbox starts is not deaf to Ctrl+C."""
    with open("/proc/self/status") as f:
        ignored = int(next(row for row in f if row.startswith("SigIgn")).split()[1], 16)
    assert not ignored & (1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1)
