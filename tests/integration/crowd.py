# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers in numbers, who send whatever bytes they like as fast as the bus takes them; and bystanders, who measure
what others notice of it."""

import collections
import copy
import itertools
import os
import pwd
import re
import resource
import select
import signal
import socket
import struct
import tempfile
import time

from jeepney import DBusAddress, HeaderFields, MessageFlag, new_method_call, new_signal
from jeepney.io.blocking import prep_socket

from bus import Signal
from names import DBUS, DEADLINE, NAME, ROOT

NO_REPLY_EXPECTED = 1
REPLY, ERROR = 2, 3
ECHO = "org.example.Echo"
DAY = 86400
AT_A_TIME = 100     # of at most 128 open calls that the bus allows a connection
ERROR_NAME = re.compile(rb"\x04\x01s\0....([\w.]+)\0", re.DOTALL)


def message_size(header):
    """Of a message that begins with these 16 bytes."""
    body, _, fields = struct.unpack_from("<III", header, 4)
    return 16 + (fields + 7 & ~7) + body


class Call:
    """A call that is sent often: made once, and given its serial number then."""

    def __init__(self, path, interface, member, signature="", body=(), to=NAME, flags=0):
        message = new_method_call(DBusAddress(path, to, interface), member, signature or None, body)
        message.header.flags = MessageFlag(flags)
        self.bytes = message.serialise(serial=1)
        self.answered = not flags & NO_REPLY_EXPECTED

    def replaced(self, old, new):
        """The same with other bytes somewhere."""
        assert self.bytes.count(old) == 1 and len(old) == len(new)
        self.bytes = self.bytes.replace(old, new)
        return self

    def about(self, id):
        """The same with another last argument, of type t."""
        other = copy.copy(self)
        other.bytes = self.bytes[:-8] + struct.pack("<Q", id)
        return other

    def numbered(self, serial):
        return self.bytes[:8] + struct.pack("<I", serial) + self.bytes[12:]


PING = Call(ROOT, DBUS + ".Peer", "Ping")


def connect(user, count, channel):
    """In a process of that user's: connections, passed on one by one."""
    os.closerange(4, 1 << 20)
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    hello = Call("/org/freedesktop/DBus", DBUS, "Hello", to=DBUS).numbered(1)
    for _ in range(count):
        with prep_socket(os.environ["DBUS_SYSTEM_BUS_ADDRESS"].removeprefix("unix:path="), False) as sock:
            # The bus takes only a few connections that have not said this.
            sock.sendall(hello)
            header = sock.recv(16, socket.MSG_WAITALL)
            sock.recv(message_size(header) - 16, socket.MSG_WAITALL)
            socket.send_fds(channel, [b"+"], [sock.fileno()])


class Connection:
    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)
        self.serial = 1
        self.todo = collections.deque()
        self.out = self.rest = b""
        self.unanswered = 0

    def write(self, reads):
        while True:
            while self.todo and len(self.out) < 16384 and (not reads or self.unanswered < AT_A_TIME):
                call = self.todo.popleft()
                self.serial += 1
                self.unanswered += call.answered
                self.out += call.numbered(self.serial)
            if not self.out:
                return
            self.out = self.out[self.sock.send(self.out):]

    def read(self, outcomes):
        data = self.rest + self.sock.recv(1 << 18)
        if len(data) == len(self.rest):
            raise ConnectionResetError
        at = 0
        while len(data) - at >= 16 and len(data) - at >= (size := message_size(data[at:at + 16])):
            kind = data[at + 1]
            if kind in (REPLY, ERROR):
                self.unanswered -= 1
                outcomes[ERROR_NAME.search(data, at, at + size)[1].decode() if kind == ERROR else None] += 1
            if kind == REPLY:
                body, = struct.unpack_from("<I", data, at + 4)
                self.given(data[at + size - body:at + size])
            at += size
        self.rest = data[at:]

    def given(self, body):
        """What was answered."""


class Letting(Connection):
    """Lets each reference go as soon as it has got it."""

    def __init__(self, sock):
        super().__init__(sock)
        self.release = None

    def given(self, body):
        if body:
            self.todo.appendleft(self.release.about(*struct.unpack_from("<Q", body)))


def connections_of(user, count, kind):
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(theirs.fileno(), 3)
            connect(user, count, socket.socket(fileno=3))
            os._exit(0)
        except BaseException as e:
            os.write(2, f"crowd of {user}: {e!r}\n".encode())
        finally:
            os._exit(1)
    theirs.close()
    connections = []
    with ours:
        for _ in range(count):
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
            assert fds, f"no connection for {user}"
            connections.append(kind(socket.socket(fileno=fds[0])))
    os.waitpid(pid, 0)
    return connections


class Crowd:
    """That many connections of each of the users."""

    def __init__(self, count, *users, kind=Connection):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        of_each = [connections_of(user, count, kind) for user in users]
        self.connections = list(itertools.chain(*zip(*of_each)))
        self.turns = itertools.cycle(self.connections)

    def send(self, calls, reads=True, timeout=6 * DEADLINE):
        """Sends the calls, each by the next connection, until all are written and, if it reads, answered or the
        connection is closed for what was sent. → how many had which outcome: None, or an error's name"""
        outcomes = collections.Counter()
        for call in calls:
            next(self.turns).todo.append(call)
        busy = {c.sock.fileno(): c for c in self.connections if c.todo}
        poll = select.poll()
        for fd in busy:
            poll.register(fd, select.POLLIN * reads | select.POLLOUT)
        end = time.monotonic() + timeout
        while busy:
            ready = poll.poll(max(0, end - time.monotonic()) * 1000)
            assert ready, f"not sent within {timeout} s"
            for fd, events in ready:
                self.attend(busy, poll, fd, events, reads, outcomes)
        return outcomes

    def attend(self, busy, poll, fd, events, reads, outcomes):
        c = busy[fd]
        try:
            if events & select.POLLIN:
                c.read(outcomes)
            c.write(reads)
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            outcomes["closed"] += 1
            c.todo.clear()
            c.out, c.unanswered = b"", 0
        if not c.todo and not c.out and not (reads and c.unanswered):
            poll.unregister(fd)
            del busy[fd]
        else:
            poll.modify(fd, select.POLLIN * reads |
                        select.POLLOUT * bool(c.out or c.todo and (not reads or c.unanswered < AT_A_TIME)))

    def send_some_at_a_time(self, calls, count):
        """The next when those have been answered."""
        outcomes, calls = collections.Counter(), iter(calls)
        while some := list(itertools.islice(calls, count)):
            outcomes += self.send(some)
        return outcomes

    def settle(self):
        """Returns when all that was sent has been dealt with. → outcomes of what had not been read"""
        return self.send([PING] * len(self.connections))

    def leave(self):
        for c in self.connections:
            c.sock.close()
        self.connections.clear()


class Process:
    """Runs a function in a process of its own, until it is stopped."""

    def __init__(self, function):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
                function()
            except BaseException as e:
                os.write(2, f"{function.__name__}: {e!r}\n".encode())
            finally:
                os._exit(1)

    def stop(self):
        """→ whether it was still at it"""
        os.kill(self.pid, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0


class Bystander:
    """Somebody else on the same bus, who makes one ordinary call after the other, and with each of them one to an idle
    service beside it. How much longer the answer takes than the idle one's is what our service keeps people waiting:
    the rest is the bus daemon's and the processor's, which everybody on the machine waits for."""

    def __init__(self, bus, idle, calls):
        self.bus, self.idle, self.calls = bus, idle, calls
        self.times = tempfile.TemporaryFile(buffering=0)
        self.echo = Process(self.be_idle)
        self.process = Process(self.call)

    @staticmethod
    def signal(bus, to):
        """The bus lets anybody send a signal to anybody."""
        message = new_signal(DBusAddress("/", interface=ECHO), "Ping", "s", (bus.unique,))
        message.header.fields[HeaderFields.destination] = to.unique
        bus.write(message)

    def be_idle(self):
        while True:
            self.idle.await_signal("Ping", timeout=DAY)
            self.signal(self.idle, self.bus)
            self.idle.log.clear()

    def call(self):
        while True:
            for path, interface, member, *arguments in self.calls:
                body = self.timed(path, interface, member, *arguments)
                if member == "Acquire":
                    self.timed(path, interface, "Release", "t", body[:1])

    def timed(self, *call):
        began = time.monotonic()
        serial = self.bus.send(*call)
        self.signal(self.bus, self.idle)    # behind it, so that the daemon is not quicker to get at it
        body = self.bus.reply(serial, DAY)
        self.bus.await_signal("Ping", timeout=DAY)
        idle = next(s.time for s in self.bus.log if isinstance(s, Signal))
        self.times.write(struct.pack("dd", self.bus.replies.pop(serial).time - began, idle - began))
        self.bus.log.clear()
        return body

    def count(self):
        """How many calls it has made."""
        return os.fstat(self.times.fileno()).st_size // struct.calcsize("dd")

    def stop(self):
        """→ for each call the time that it took, and that the idle one's took"""
        good = self.process.stop()
        good = self.echo.stop() and good
        with self.times:
            self.times.seek(0)
            times = list(struct.iter_unpack("dd", self.times.read()))
        assert good, f"failed after {len(times)} calls"
        return times
