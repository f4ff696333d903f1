# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which processes hold a link: what ListHolders says of them, and that nobody waits for it."""

import ctypes
import os
import resource
import signal
import socket
import threading
import time

import pytest

from bus import BusError, plain
from checks import EVERYBODY, within
from links import PacketSocket, ip
from names import DEADLINE, LIMIT, LINK, MANAGER, NO_SUCH_LINK, PROMPT, ROOT, SLOWNESS, link_path

NO_ANSWER = 2       # seconds that promisc-identify has


def name_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().rstrip("\n")


def holders(bus, index):
    return [plain(h) for h in bus.call(link_path(index), LINK, "ListHolders")[0]]


def processes(bus, index):
    """Of the link's one packet socket."""
    entry, = [h for h in holders(bus, index) if h["kind"] == "packet-socket"]
    return entry["processes"]


class Child:
    """A fork that has what we have open, and what before() returns, until it is told to leave."""

    def __init__(self, before=lambda: None):
        self.ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.ours.close()
                kept = before()     # noqa: F841
                theirs.send(b".")
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        assert self.ours.recv(1) == b"."

    def end(self):
        self.ours.close()
        os.waitpid(self.pid, 0)


def test_all_that_have_it_open(root, index, holder):
    holder().add(index)
    me = (os.getpid(), name_of(os.getpid()), "")
    assert processes(root, index) == [me]
    child = Child()
    assert processes(root, index) == sorted([me, (child.pid, me[1], "")])
    child.end()
    assert processes(root, index) == [me]


def test_of_another_user(root, index):
    """Whose descriptors the service itself cannot see."""
    def take():
        with open("/proc/self/comm", "w") as f:
            f.write("a (b) \\ ü\n")
        sock = PacketSocket().add(index)
        os.setresuid(1, 1, 1)
        return sock
    child = Child(take)
    try:
        (pid, command, unit), = processes(root, index)
        assert (pid, command, unit) == (child.pid, "a (b) \\x5c ü\\x0a", "")
    finally:
        child.end()


def test_of_nobody(root, index):
    """On its way from one to another."""
    ours, theirs = socket.socketpair()
    with PacketSocket() as sock:
        sock.add(index)
        socket.send_fds(ours, [b"."], [sock.sock.fileno()])
    entry, = holders(root, index)
    assert entry["processes"] == [] and "incomplete" not in entry
    _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
    assert [pid for pid, _, _ in processes(root, index)] == [os.getpid()]
    os.close(fds[0])
    assert holders(root, index) == []


def test_a_thread_alone(root, index):
    """Which has left the others' descriptors, or is all that is left of the process."""
    opened, done = threading.Event(), threading.Event()

    def run():
        assert ctypes.CDLL(None).unshare(0x400) == 0     # CLONE_FILES
        with PacketSocket() as sock:
            sock.add(index)
            opened.set()
            done.wait(DEADLINE)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert opened.wait(DEADLINE)
        assert [pid for pid, _, _ in processes(root, index)] == [os.getpid()]
    finally:
        done.set()
        thread.join()


def test_who_has_too_much_hides_nobody(root, index):
    """A process whose first thread has ended, so that all of its threads are looked at, each with thousands of descriptors,
    and the socket behind them; and another one after it."""
    def hog():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(19000):
            os.dup(null)
        held = PacketSocket().add(index)
        for _ in range(100):
            threading.Thread(target=signal.pause).start()
        threading.Thread(target=lambda: os.write(told, b".") and signal.pause() or held).start()
        ctypes.CDLL(None).syscall(60, 0)    # exit(2), of this thread alone
    reads, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        hog()
    try:
        assert os.read(reads, 1) == b"."
        with PacketSocket() as other:
            other.add(index)
            child = Child()
            entries = {h["inode"]: h for h in holders(root, index)}
            mine = entries.pop(os.fstat(other.sock.fileno()).st_ino)
            assert {p[0] for p in mine["processes"]} == {os.getpid(), child.pid}
            hidden, = entries.values()
            assert hidden["processes"] == [] and hidden["incomplete"] is True
            child.end()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reads)
        os.close(told)


def test_the_caller_of_a_reference(root, client, index):
    caller = client()
    caller.acquire(index, "why")
    entry, = holders(root, index)
    pid, = {r["ProcessId"] for r in root.references()}
    assert entry["processes"] == [(pid, name_of(pid), "")]


@pytest.fixture
def identify(root, index, holder):
    """The pid of promisc-identify, which runs."""
    with PacketSocket() as first:
        first.add(index)
        processes(root, index)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if name_of(pid) == "promisc-identif":
                yield int(pid)
                break
        except FileNotFoundError:
            pass
    else:
        raise AssertionError("promisc-identify does not run")


def test_nobody_waits(root, client, index, holder, identify):
    """While it does not answer: the list comes without processes after its time, and all else as always."""
    sock, other = holder().add(index), client()
    os.kill(identify, signal.SIGSTOP)
    try:
        began = time.monotonic()
        serial = root.send(link_path(index), LINK, "ListHolders")
        while time.monotonic() < began + NO_ANSWER / 2:
            with within(PROMPT):
                other.get(ROOT, MANAGER, "References")
            with within(PROMPT):
                id, _ = other.acquire(index, "meanwhile")
            with within(PROMPT):
                other.release(index, id)
        (entry,), = root.reply(serial)
        assert NO_ANSWER <= time.monotonic() - began < NO_ANSWER + 2 * SLOWNESS
        entry = plain(entry)
        assert (entry["inode"], entry["processes"]) == (os.fstat(sock.sock.fileno()).st_ino, [])
        assert entry["incomplete"] is True
    finally:
        os.kill(identify, signal.SIGCONT)
    assert [pid for pid, _, _ in processes(root, index)] == [os.getpid()]


def test_it_is_killed(root, index, holder, identify):
    """Before it has taken a question: then the next one does."""
    sock = holder().add(index)
    os.kill(identify, signal.SIGSTOP)
    serial = root.send(link_path(index), LINK, "ListHolders")
    root.get(ROOT, MANAGER, "References")
    os.kill(identify, signal.SIGKILL)
    (entry,), = root.reply(serial)
    assert plain(entry)["inode"] == os.fstat(sock.sock.fileno()).st_ino
    assert [pid for pid, _, _ in plain(entry)["processes"]] == [os.getpid()]


def test_one_user_does_not_shut_the_door(root, client, index, holder, identify, polkit):
    """While lists wait, a user has few of them, and others have theirs."""
    polkit.rules(EVERYBODY)
    holder().add(index)
    callers = [client("caller1") for _ in range(2)]
    os.kill(identify, signal.SIGSTOP)
    try:
        serials = [(c, c.send(link_path(index), LINK, "ListHolders")) for _ in range(10) for c in callers]
        others = [client("caller2"), client()]
        asked = [(c, c.send(link_path(index), LINK, "ListHolders")) for c in others]
        outcomes = []
        for c, serial in serials:
            try:
                outcomes.append(len(c.reply(serial)[0]))
            except BusError as e:
                outcomes.append(e.name)
        assert outcomes.count(1) == 8 and outcomes.count(LIMIT) == 12
        for c, serial in asked:
            assert len(c.reply(serial)[0]) == 1
    finally:
        os.kill(identify, signal.SIGCONT)


def test_the_link_goes_meanwhile(root, index, links, holder, identify):
    holder().add(index)
    os.kill(identify, signal.SIGSTOP)
    try:
        serial = root.send(link_path(index), LINK, "ListHolders")
        root.get(ROOT, MANAGER, "References")
        ip("link", "del", "v0")
        with pytest.raises(BusError) as e:
            root.reply(serial)
        assert e.value.name == NO_SUCH_LINK
    finally:
        os.kill(identify, signal.SIGCONT)
