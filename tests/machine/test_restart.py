# SPDX-License-Identifier: LGPL-2.1-or-later
"""References and changes outlive the service: restarted, killed, gone for a while."""

import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from away import Away, KernelMonitor, crash, no_drop_ins
from bus import Bus, Signal
from checks import EVERYBODY, error_of
from links import PacketSocket, await_agreement, counter, index_of, ip, run
from names import DBUS_ERROR, DEADLINE, LIMIT, MANAGER, NO_SUCH_REFERENCE, REFERENCE, ROOT, link_path, reference_path
from units import SERVICE, await_service, journal, journal_cursor, main_pid, show, systemctl, watch_service

STATE = "/run/promisc"
RECORDS = STATE + "/references"
FIFOS = STATE + "/descriptors"
HOUR = {"timeout": ("t", 3600 * 10**6)}


@pytest.fixture
def descriptor_client():
    clients = []

    def new(user="root"):
        clients.append(Bus(user, descriptors=True))
        return clients[-1]
    yield new
    for c in clients:
        c.kill()


@pytest.fixture
def service_client(root):
    """A client of root's that also hears of the service's coming and going."""
    yield watch_service(root)
    no_drop_ins()


@pytest.fixture
def away(service_client):
    return lambda how=signal.SIGKILL: Away(service_client, how)


@pytest.fixture
def kernel():
    """kernel(index) → what the kernel says of that link's counter from here on."""
    monitors = []

    def new(index):
        monitors.append(KernelMonitor(index))
        return monitors[-1]
    yield new
    for m in monitors:
        m.close()


def held(bus):
    return sorted(bus.references(), key=lambda r: r["Id"])


def stored():
    return int(show(SERVICE, "NFileDescriptorStore"))


def names_in(directory):
    return set(os.listdir(directory))


def complaints(cursor):
    """What the service said since, of errors."""
    return [entry["MESSAGE"] for entry in journal(f"--after-cursor={cursor}", f"--unit={SERVICE}", "--priority=err",
                                                  f"_SYSTEMD_UNIT={SERVICE}")]


def restart(bus):
    before = await_service(bus)
    systemctl("restart", SERVICE)
    await_service(bus, other_than=before)


def upgrade(bus):
    """As a package manager does it: new files in the places of the old ones, then a restart."""
    before, program = await_service(bus), os.readlink(f"/proc/{main_pid()}/exe")
    shutil.copy2(program, program + ".new")
    os.rename(program + ".new", program)
    assert os.readlink(f"/proc/{main_pid()}/exe") == program + " (deleted)"
    systemctl("daemon-reload")
    systemctl("restart", SERVICE)
    await_service(bus, other_than=before)
    assert os.readlink(f"/proc/{main_pid()}/exe") == program


def crash_twice(bus):
    # The name is taken before what was held is taken over, so that the second hits it in the middle of that.
    crash(bus)
    crash(bus)


def crash_in_a_row(bus):
    for _ in range(5):
        crash(bus)


HOW = restart, upgrade, crash, crash_twice, crash_in_a_row


@pytest.mark.parametrize("how", HOW, ids=lambda how: how.__name__)
def test_references_live_on(service_client, index, client, descriptor_client, links, polkit, kernel, how):
    root, tun = service_client, links.tun("t0")
    await_agreement(root, "t0")
    polkit.rules(EVERYBODY)
    caller, holder = client("caller1"), descriptor_client("caller2")
    ids = [root.acquire(index, "one", HOUR)[0], caller.acquire(index, "zwei: ä")[0]]
    ids += [caller.acquire(tun, "three", HOUR)[0], root.acquire(tun, "four")[0]]
    id, _, fd = holder.acquire_descriptor(index, "five", HOUR)
    tun_id, _, tun_fd = holder.acquire_descriptor(tun, "six")
    before = held(root)
    assert [r["Id"] for r in before] == [*ids, id, tun_id]
    monitors = [kernel(index), kernel(tun)]
    since = root.mark()

    how(root)
    assert held(root) == before
    assert [m.steps() for m in monitors] == [[], []]
    assert (counter("v0"), counter("t0")) == (3, 3)
    assert root.get(ROOT, MANAGER, "References") == 6
    assert root.link(index)["Promiscuity"] == 3
    root.settle()
    for member in "Released", "PromiscuityChanged", "InterfacesAdded", "InterfacesRemoved":
        assert root.signals(member, since=since) == []
    assert set(root.signals("Resynchronized", since=since)) == {("restart", 0)}
    assert names_in(RECORDS) == {str(r["Id"]) for r in before}
    assert names_in(FIFOS) == {str(id), str(tun_id)}

    # Each ends as it would have, by its owner alone.
    root.release(index, ids[0])
    caller.call(reference_path(ids[1]), REFERENCE, "Release")
    caller.kill()
    root.release(tun, ids[3])
    os.close(fd)
    holder.release(tun, tun_id)
    assert [root.await_released(n) for n in (*ids, id, tun_id)] == [
        "released", "released", "owner-vanished", "released", "descriptor-closed", "released"]
    os.close(tun_fd)
    assert [m.steps()[-1] for m in monitors] == [0, 0]
    assert names_in(RECORDS) == set() == names_in(FIFOS)


class IpMonitor:
    """`ip -d monitor link`, from when it listens."""

    def __init__(self, name):
        self.name, self.printed = name, b""
        self.process = subprocess.Popen(["ip", "-d", "-oneline", "monitor", "link"], stdout=subprocess.PIPE)
        self.poll = select.poll()
        self.poll.register(self.process.stdout, select.POLLIN)
        mtu = itertools.cycle((1401, 1402))
        while not self.poll.poll(10):
            # what it does not hear yet is said again
            ip("link", "set", name, "mtu", next(mtu))

    def counters(self):
        """What it has printed of that link's counter until now."""
        ip("link", "set", self.name, "mtu", 1400)
        while b" mtu 1400 " not in self.printed or self.poll.poll(0):
            assert self.poll.poll(DEADLINE * 1000)
            self.printed += os.read(self.process.stdout.fileno(), 1 << 16)
        lines = [line for line in self.printed.splitlines() if f" {self.name}@".encode() in line]
        return [int(line.split(b" promiscuity ")[1].split()[0]) for line in lines]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.parametrize("how", HOW, ids=lambda how: how.__name__)
def test_ip_monitor_shows_no_movement(service_client, index, how):
    service_client.acquire(index)
    service_client.acquire(index)
    monitor = IpMonitor("v0")
    try:
        how(service_client)
        assert set(monitor.counters()) == {2}
        # It would have shown one.
        service_client.acquire(index)
        ip("link", "set", "v0", "mtu", 1500)
        assert set(monitor.counters()) == {2, 3}
    finally:
        monitor.end()


def test_limits_count_what_was_held(service_client, index, client, polkit):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    serials = []
    for _ in range(64):
        # As many as may be asked about at a time.
        serials += [caller.send_acquire(index) for _ in range(4)]
        ids = [caller.reply(serial)[0] for serial in serials]
    assert error_of(caller.acquire, index)[0] == LIMIT
    crash(service_client)
    assert error_of(caller.acquire, index)[0] == LIMIT
    caller.release(index, ids[7])
    assert caller.acquire(index)[0] not in ids
    assert error_of(caller.acquire, index)[0] == LIMIT
    assert counter("v0") == 256
    # And all leave at once.
    caller.kill()
    for id in ids[:7]:
        assert service_client.await_released(id) == "owner-vanished"
    service_client.wait(lambda: service_client.get(ROOT, MANAGER, "References") == 0, what="all released")
    assert counter("v0") == 0


def test_ids_are_never_used_again(service_client, index):
    ids = []
    for _ in range(5):
        ids += [service_client.acquire(index)[0] for _ in range(10)]
        crash(service_client)
    assert ids == sorted(set(ids))


def test_an_owner_that_left_meanwhile(service_client, index, client, polkit, away, kernel):
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    ids = [caller.acquire(index)[0] for _ in range(3)]
    stays = service_client.acquire(index)[0]
    monitor = kernel(index)
    since = service_client.mark()
    with away():
        caller.kill()
    assert [service_client.await_released(id) for id in ids] == ["owner-vanished"] * 3
    assert monitor.steps() == [3, 2, 1]
    assert [r["Id"] for r in service_client.references()] == [stays]
    back, *_, last = [s.time for s in service_client.log[since:] if isinstance(s, Signal) and (
        s.member == "Released" or s.member == "NameOwnerChanged" and s.body[2])]
    assert last - back < 1


def await_boottime(usec):
    """Until that moment of CLOCK_BOOTTIME."""
    fd = os.timerfd_create(time.CLOCK_BOOTTIME)
    os.timerfd_settime(fd, flags=os.TFD_TIMER_ABSTIME, initial=usec / 10**6)
    os.read(fd, 8)
    os.close(fd)


def test_a_timeout_that_ran_out_meanwhile(service_client, index, away):
    timeout = 300 * 1000
    ends = service_client.acquire(index, "short", {"timeout": ("t", timeout)})[0]
    stays = service_client.acquire(index, "long", HOUR)[0]
    deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 + timeout
    with away():
        await_boottime(deadline)
        assert counter("v0") == 2
    assert service_client.await_released(ends) == "expired"
    assert [r["Id"] for r in service_client.references()] == [stays]
    assert counter("v0") == 1


def test_a_timeout_that_runs_out_after(service_client, index):
    timeout = 1000 * 1000
    id = service_client.acquire(index, "short", {"timeout": ("t", timeout)})[0]
    deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 + timeout
    crash(service_client)
    assert service_client.await_released(id) == "expired"
    assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 >= deadline - 100 * 1000
    assert counter("v0") == 0


@pytest.mark.parametrize("kind", ["veth", "tun"])
@pytest.mark.parametrize("again", [False, True], ids=["gone", "another"])
def test_a_link_that_went_meanwhile(service_client, links, descriptor_client, away, kernel, kind, again):
    root, holder = service_client, descriptor_client()
    name = "v0" if kind == "veth" else "t0"
    links.veth() if kind == "veth" else links.tun("t0")
    index = int(run("cat", f"/sys/class/net/{name}/ifindex"))
    await_agreement(root, name)
    links.veth("w0", "w1")
    await_agreement(root, "w0")
    other = int(run("cat", "/sys/class/net/w0/ifindex"))
    stays = root.acquire(other)[0]
    id = root.acquire(index)[0]
    descriptor_id, _, fd = holder.acquire_descriptor(index)
    with away():
        ip("link", "del", name)
        if again:
            ip("link", "add", "name", name, "index", index, "up", "type", "veth", "peer", "name", "x1")
            monitor = kernel(index)
    assert [root.await_released(n) for n in (id, descriptor_id)] == ["link-removed"] * 2
    assert [r["Id"] for r in root.references()] == [stays]
    assert error_of(root.release, other, id)[0] == NO_SUCH_REFERENCE
    assert names_in(RECORDS) == {str(stays)} and names_in(FIFOS) == set()
    if again:
        assert counter(name) == 0
        assert monitor.steps() == []
        assert root.acquire(index)[0] and counter(name) == 1
    os.close(fd)
    assert counter("w0") == 1


def test_a_link_renamed_meanwhile(service_client, index, away):
    id = service_client.acquire(index)[0]
    with away():
        ip("link", "set", "v0", "name", "v7")
    assert [(r["Id"], r["InterfaceName"]) for r in service_client.references()] == [(id, "v7")]
    assert counter("v7") == 1
    service_client.release(index, id)
    assert counter("v7") == 0


def test_the_bus_is_restarted(service_client, index, descriptor_client, kernel):
    service_client.acquire(index)
    id, _, fd = descriptor_client().acquire_descriptor(index, "lives on", HOUR)
    before = [r for r in service_client.references() if r["Id"] == id]
    monitor = kernel(index)
    systemctl("restart", "dbus.service")
    bus = watch_service(Bus()).subscribe()
    await_service(bus)
    assert bus.references() == before
    assert monitor.steps() == [1]
    os.close(fd)
    assert bus.await_released(id) == "descriptor-closed"
    assert monitor.steps() == [0]
    bus.kill()


def test_the_bus_is_restarted_while_it_is_away(service_client, index, descriptor_client, kernel):
    """Names of the one before mean nothing: not even if the same one is there again."""
    service_client.acquire(index)
    owner = service_client.unique
    id, _, fd = descriptor_client().acquire_descriptor(index)
    monitor = kernel(index)
    absence = Away(service_client).__enter__()
    systemctl("restart", "dbus.service")
    namesakes = [Bus()]
    while namesakes[-1].unique != owner:
        assert int(namesakes[-1].unique[3:]) < int(owner[3:])
        namesakes.append(Bus())
    absence.bus = watch_service(Bus())
    absence.__exit__()
    assert [r["Id"] for r in absence.bus.references()] == [id]
    assert monitor.steps() == [1]
    os.close(fd)
    for bus in absence.bus, *namesakes:
        bus.kill()


def test_a_stop_ends_all(service_client, index, descriptor_client, kernel):
    root = service_client
    ids = [root.acquire(index)[0] for _ in range(3)]
    id, _, fd = descriptor_client().acquire_descriptor(index)
    crash(root)
    monitor = kernel(index)
    assert stored() > 0
    systemctl("stop", SERVICE)
    assert [root.await_released(n) for n in (*ids, id)] == ["service-stopped"] * 4
    assert monitor.steps() == [3, 2, 1, 0]
    assert stored() == 0
    assert not os.path.exists(STATE)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(0) == [(fd, select.POLLHUP)]
    os.close(fd)
    assert root.references() == []
    assert counter("v0") == 0


# Changes


def changes_of(bus, index, since):
    bus.settle()
    return [(old, new, source) for old, new, _, source in bus.signals("PromiscuityChanged", link_path(index),
                                                                      since=since)]


def test_changes_meanwhile_are_told(service_client, index, away):
    root = service_client
    root.acquire(index)
    since = root.mark()
    with PacketSocket() as holder:
        holder.add(index)
        root.wait(lambda: len(root.signals("PromiscuityChanged", since=since)) == 1, what="first change")
        with away():
            holder.drop(index)
            holder.burst(index, 18)
            holder.add(index)
        root.await_signal("Resynchronized", since=since)
        holder.drop(index)
        root.wait(lambda: root.link(index)["Promiscuity"] == 1, what="last change")
    up, down = (1, 2, "event"), (2, 1, "event")
    assert changes_of(root, index, since) == [up, *[down, up] * 10, down]
    assert root.signals("Resynchronized", since=since) == [("restart", 0)]


@pytest.mark.parametrize("turn", range(5))
def test_changes_while_it_restarts_are_told(service_client, index, turn):
    """Whenever they come."""
    root = service_client
    since = root.mark()
    before = await_service(root)
    with PacketSocket() as holder:
        holder.add(index)
        systemctl("restart", "--no-block", SERVICE)
        root.wait(lambda: holder.burst(index, 20) or [s for s in root.signals("NameOwnerChanged", since=since)
                                                      if s[2] not in ("", before)], what="service back")
    root.wait(lambda: root.link(index)["Promiscuity"] == 0, what="last change")
    steps = changes_of(root, index, since)
    assert {source for _, _, source in steps} == {"event"}
    assert [abs(new - old) for old, new, _ in steps] == [1] * len(steps)
    assert [old for old, _, _ in steps] == [0, *(new for _, new, _ in steps[:-1])]


def test_a_change_without_event_meanwhile(service_client, index, away):
    """The kernel does not tell of what a macvlan's address makes of the link below it."""
    root = service_client
    since = root.mark()
    with away():
        ip("link", "add", "link", "v0", "name", "m0", "type", "macvlan", "mode", "bridge")
        ip("link", "set", "m0", "up")
        assert counter("v0") == 1
    root.await_signal("Resynchronized", since=since)
    assert changes_of(root, index, since) == [(0, 1, "resync")]
    assert root.signals("Resynchronized", since=since) == [("restart", 1)]


def test_the_number_of_links_that_had_drifted(service_client, links, index, away):
    """Those that another counter is found on than all that was kept had told. Other changes have events, or none is told."""
    root = service_client
    for pair in ("a0", "a1"), ("b0", "b1"), ("c0", "c1"):
        links.veth(*pair)
        await_agreement(root, pair[0])
    since = root.mark()
    with PacketSocket() as holder, away():
        holder.add(index)                                       # with an event
        holder.add(index_of("a0"))                              # the same, and something without one
        for lower, upper in ("a0", "m0"), ("b0", "m1"):         # and that alone
            ip("link", "add", "link", lower, "name", upper, "type", "macvlan", "mode", "bridge")
            ip("link", "set", upper, "up")
        ip("link", "set", "b1", "mtu", "1400")                  # no counter
        ip("link", "del", "c0")                                 # gone, and come
        links.veth("d0", "d1")
    assert root.await_signal("Resynchronized", since=since) == ("restart", 2)
    assert [(old, new) for old, new, _ in changes_of(root, index_of("a0"), since)[:2]] == [(0, 1), (1, 2)]
    assert changes_of(root, index_of("b0"), since) == [(0, 1, "resync")]
    assert changes_of(root, index, since)[0] == (0, 1, "event")
    last = [s.member for s in root.log[since:] if isinstance(s, Signal) and s.member in (
        "Resynchronized", "PromiscuityChanged", "InterfacesAdded", "InterfacesRemoved")]
    assert last.index("Resynchronized") > last.index("InterfacesRemoved")


def test_links_that_came_and_went_meanwhile(service_client, links, index, away):
    root = service_client
    links.veth("w0", "w1")
    await_agreement(root, "w1")
    gone = root.manager("GetLinkByName", "s", "w0")[0]
    since = root.mark()
    with away():
        ip("link", "del", "w0")
        links.veth("x0", "x1")
    await_agreement(root, "x0")
    come = root.manager("GetLinkByName", "s", "x0")[0]
    root.settle()
    assert link_path(gone) in [path for path, _ in root.signals("InterfacesRemoved", since=since)]
    assert link_path(come) in [path for path, _ in root.signals("InterfacesAdded", since=since)]
    assert changes_of(root, come, since) == []


# What was left is damaged


def record_of(id):
    with open(f"{RECORDS}/{id}") as f:
        return f.read()


def put(name, text, mode=0o600):
    with open(f"{RECORDS}/{name}", "w") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    run("chown", "promisc:", f"{RECORDS}/{name}")


OTHER = 123456789


def without_unit(id):
    put(OTHER, record_of(id).replace(f"ID={id}\n", f"ID={OTHER}\n"))


DAMAGES = {
    "garbage": lambda id: put(OTHER, "\x00\x01\x02 and so on" * 1000),
    "empty": lambda id: put(OTHER, ""),
    "cut": lambda id: put(OTHER, record_of(id).replace(f"ID={id}\n", f"ID={OTHER}\n")[:-2]),
    "longer": lambda id: put(OTHER, record_of(id).replace(f"ID={id}\n", f"ID={OTHER}\n") + "MORE=1\n"),
    "wrong name": lambda id: put(OTHER, record_of(id)),
    "name of no number": lambda id: put("number", record_of(id)),
    "fifo": lambda id: os.mkfifo(f"{RECORDS}/{OTHER}"),
    "symlink": lambda id: os.symlink(str(id), f"{RECORDS}/{OTHER}"),
    "symlink out": lambda id: os.symlink("/etc/passwd", f"{RECORDS}/{OTHER}"),
    "unreadable": lambda id: put(OTHER, record_of(id), 0),
    "no unit": without_unit,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record(service_client, index, away, kernel, damage):
    root = service_client
    id = root.acquire(index, "whole")[0]
    before = held(root)
    monitor = kernel(index)
    cursor = journal_cursor()
    with away():
        DAMAGES[damage](id)
    assert held(root) == before
    assert monitor.steps() == []
    assert names_in(RECORDS) == {str(id)}
    said = [entry["MESSAGE"] for entry in journal(f"--after-cursor={cursor}", f"_SYSTEMD_UNIT={SERVICE}",
                                                  "--priority=notice")]
    assert len([line for line in said if str(OTHER) in line or '"number"' in line]) == 1
    root.release(index, id)
    assert monitor.steps() == [0]


def test_a_record_that_was_lost(service_client, index, away, kernel):
    """What it stood for is dropped, and nothing else."""
    root = service_client
    damaged, stays, lost = (root.acquire(index)[0] for _ in range(3))
    monitor = kernel(index)
    cursor = journal_cursor()
    with away():
        put(damaged, "nothing")
        os.unlink(f"{RECORDS}/{lost}")
    assert [r["Id"] for r in root.references()] == [stays]
    assert monitor.steps() == [2, 1]
    assert len([line for line in complaints(cursor) if "no record" in line]) == 2
    assert len([line for line in complaints(cursor) if str(damaged) in line]) == 1


@pytest.mark.parametrize("instead", [None, "file", "directory", "symlink"])
def test_a_fifo_that_was_lost(service_client, index, descriptor_client, away, kernel, instead):
    root = service_client
    holder = descriptor_client()
    stays, _, fd = holder.acquire_descriptor(index)
    lost, _, other_fd = holder.acquire_descriptor(index)
    path = f"{FIFOS}/{lost}"
    monitor = kernel(index)
    with away():
        os.unlink(path)
        if instead == "file":
            with open(path, "w"):
                run("chown", "promisc:", path)
        elif instead == "directory":
            os.mkdir(path)
        elif instead == "symlink":
            os.symlink(str(stays), path)
    assert [r["Id"] for r in root.references()] == [stays]
    assert monitor.steps() == [1]
    assert names_in(RECORDS) == {str(stays)}
    os.close(fd)
    os.close(other_fd)
    assert root.await_released(stays) == "descriptor-closed"


COUNTERS = STATE + "/counters"


def counters(data):
    def damage():
        with open(COUNTERS, "r+b") as f:
            whole = f.read()
            f.seek(0)
            f.truncate()
            f.write(data(whole))
    return damage


def replaced(make):
    def damage():
        os.unlink(COUNTERS)
        make()
    return damage


BAD_COUNTERS = {
    "empty": counters(lambda whole: b""),
    "odd": counters(lambda whole: whole[:13]),
    "garbage": counters(lambda whole: os.urandom(5000)),
    "other magic": counters(lambda whole: b"XXXXXXXX" + whole[8:]),
    "other namespace": counters(lambda whole: whole[:8] + b"\1" * 8 + whole[16:]),
    "cut": counters(lambda whole: whole[:24]),
    "garbage within": counters(lambda whole: whole[:16] + b"\xff" * (len(whole) - 16)),
    "gone": replaced(lambda: None),
    "fifo": replaced(lambda: os.mkfifo(COUNTERS)),
    "symlink": replaced(lambda: os.symlink("/etc/passwd", COUNTERS)),
    "directory": replaced(lambda: os.mkdir(COUNTERS)),
    "not ours": replaced(lambda: open(COUNTERS, "w").close()),
}


@pytest.mark.parametrize("damage", BAD_COUNTERS)
def test_damaged_counters(service_client, index, away, kernel, damage):
    root = service_client
    root.acquire(index)
    before = held(root)
    monitor = kernel(index)
    with away():
        BAD_COUNTERS[damage]()
    assert held(root) == before
    assert monitor.steps() == []
    since = root.mark()
    with PacketSocket() as holder:
        holder.add(index)
        root.await_signal("PromiscuityChanged", since=since)
    root.wait(lambda: root.link(index)["Promiscuity"] == 1, what="last change")
    assert changes_of(root, index, since) == [(1, 2, "event"), (2, 1, "event")]
    # Noted again.
    since = root.mark()
    crash(root)
    assert root.await_signal("Resynchronized", since=since) == ("restart", 0)


# No space


@pytest.fixture
def small_run(client, links):
    """small_run(options) → a tmpfs where the state goes, made before the service starts."""
    def mount(options):
        os.mkdir(STATE)
        run("mount", "-t", "tmpfs", "-o", "mode=755," + options, "tmpfs", STATE)
    yield mount
    systemctl("stop", SERVICE)
    run("umount", STATE)
    if os.path.exists(STATE):
        os.rmdir(STATE)


def remount(options):
    run("mount", "-o", "remount," + options, STATE)


def assert_refused(root, holder, index, text):
    """Nothing is left of it."""
    for call in root.acquire, holder.acquire_descriptor:
        error, message = error_of(call, index)
        assert error == DBUS_ERROR + "Failed" and text in message
    assert counter("v0") == 0
    assert root.references() == [] and root.get(ROOT, MANAGER, "References") == 0
    assert names_in(RECORDS) == set() == names_in(FIFOS)


@pytest.mark.parametrize("full, room", [("size=4k", "size=1m"), ("nr_inodes=4", "nr_inodes=100")])
def test_no_space_for_records(small_run, client, links, descriptor_client, full, room):
    """(It cannot become read-only while the service has a file open there for writing.)"""
    small_run(full)
    root = client().subscribe()
    index = links.veth()
    await_agreement(root, "v0")
    assert_refused(root, descriptor_client(), index, "No space left on device")
    remount(room)
    id = root.acquire(index)[0]
    assert counter("v0") == 1
    crash(watch_service(root))
    assert [r["Id"] for r in root.references()] == [id]
    root.release(index, id)
    assert counter("v0") == 0
    assert names_in(RECORDS) == set()


def test_no_space_to_let_go(small_run, client, links):
    small_run("size=16k")
    root = watch_service(client().subscribe())
    index = links.veth()
    await_agreement(root, "v0")
    id = root.acquire(index)[0]
    with open(STATE + "/filler", "wb", 0) as f, pytest.raises(OSError):
        while True:
            f.write(b"x" * 4096)
    crash(root)
    assert [r["Id"] for r in root.references()] == [id]
    root.release(index, id)
    assert counter("v0") == 0 and names_in(RECORDS) == set()


@pytest.mark.parametrize("options, text", [
    ("size=4k", "Cannot open the state in $RUNTIME_DIRECTORY: No space left on device"),
    ("ro", "Read-only file system"),
])
def test_no_space_to_start_with(small_run, options, text):
    """It does not start, and says why: the service, or systemd before it."""
    small_run("size=4k")
    with open(STATE + "/filler", "w") as f:
        f.write("x")
    if options == "ro":
        remount("ro")
    cursor = journal_cursor()
    with pytest.raises(AssertionError):
        systemctl("start", SERVICE)
    # What systemd says for it before it runs, it says in its own name or not.
    said = [entry["MESSAGE"] for entry in journal(f"--after-cursor={cursor}", f"--unit={SERVICE}", "--priority=err")]
    assert [line for line in said if text in line], said
    remount("rw")
    systemctl("reset-failed", SERVICE)


# Devices without addresses


def test_twenty_in_a_row_on_a_tun(root, links, kernel):
    """Each needs a socket of its own, which has to be in the store first."""
    index = links.tun("t0")
    await_agreement(root, "t0")
    monitor = kernel(index)
    ids = [root.acquire(index)[0] for _ in range(20)]
    assert monitor.steps() == list(range(1, 21))
    assert stored() >= 20
    # And all at once.
    serials = [root.send_acquire(index) for _ in range(20)]
    ids += [root.reply(serial)[0] for serial in serials]
    assert ids == sorted(set(ids))
    assert monitor.steps() == list(range(21, 41))
    watch_service(root)
    crash(root)
    assert sorted(r["Id"] for r in root.references()) == ids
    for id in ids:
        root.release(index, id)
    assert monitor.steps() == list(range(39, -1, -1))
    # In the sockets that there are.
    before = stored()
    for _ in range(30):
        root.acquire(index)
    assert stored() == before


def test_one_user_cannot_have_all_sockets(root, client, links, polkit):
    index = links.tun("t0")
    await_agreement(root, "t0")
    polkit.rules(EVERYBODY)
    caller = client("caller1")
    ids = []
    while len(ids) < 256:
        reply = caller.wait(lambda serial=caller.send_acquire(index): caller.replies.get(serial), what="reply")
        if reply.error:
            break
        ids.append(reply.body[0])
    assert (len(ids), reply.error) == (224, LIMIT)
    assert "packet sockets" in reply.body[0]
    assert [root.acquire(index)[0] for _ in range(32)]
    assert error_of(root.acquire, index)[0] == LIMIT
    watch_service(root)
    crash(root)
    assert counter("t0") == 256
    assert error_of(root.acquire, index)[0] == LIMIT


# Lifetimes of descriptors


def test_a_descriptor_closed_meanwhile(service_client, index, descriptor_client, away):
    root = service_client
    closed, _, fd = descriptor_client().acquire_descriptor(index)
    stays, _, other_fd = descriptor_client().acquire_descriptor(index)
    with away():
        os.close(fd)
    assert root.await_released(closed) == "descriptor-closed"
    assert [r["Id"] for r in root.references()] == [stays]
    os.close(other_fd)
    assert root.await_released(stays) == "descriptor-closed"
    assert counter("v0") == 0


def test_a_descriptor_in_flight_meanwhile(service_client, index, descriptor_client, away):
    """Without a process that has it open, and its caller gone from the bus."""
    root = service_client
    holder = descriptor_client("root")
    id, _, fd = holder.acquire_descriptor(index)
    ours, theirs = socket.socketpair()
    with away():
        socket.send_fds(ours, [b"+"], [fd])
        os.close(fd)
        holder.kill()
    assert [r["Id"] for r in root.references()] == [id]
    theirs.close()
    ours.close()
    assert root.await_released(id) == "descriptor-closed"
    assert counter("v0") == 0


def test_leftovers_are_swept(service_client, index, away):
    with away():
        put(".new", "half a rec")
        for name in "1", "2":
            os.mkfifo(f"{FIFOS}/{name}")
    assert names_in(RECORDS) == set() == names_in(FIFOS)
    assert service_client.references() == []
