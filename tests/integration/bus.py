# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the bus, of any user.

Nothing here sleeps: whoever waits polls descriptors until a condition holds or a deadline passes."""

import os
import pwd
import select
import signal
import socket
import time
from collections import namedtuple

from jeepney import (DBusAddress, HeaderFields, MessageFlag, MessageType, Parser, new_error, new_method_call,
                     new_method_return)
from jeepney.fds import FileDescriptor
from jeepney.io.blocking import prep_socket

from names import (DBUS, DEADLINE, LINK, MANAGER, NAME, OBJECT_MANAGER, PROPERTIES, REFERENCE, ROOT,
                   link_path, reference_path, uid_of)


def plain(value):
    """The same without the (signature, value) pairs that stand for variants, one level deep."""
    return {key: variant[1] for key, variant in value.items()}


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


Signal = namedtuple("Signal", "path interface member body time")
Reply = namedtuple("Reply", "serial error signature body time")


def connect_as(user, descriptors):
    """Connects to the bus in a new process of that user, which keeps the connection open until it is killed.
    → a copy of the socket, pid"""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            # No other client's connection may live on in here.
            channel = os.dup(theirs.fileno())
            os.dup2(channel, 3)
            os.closerange(4, 1 << 20)
            entry = pwd.getpwnam(user)
            os.setgroups([])
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            sock = prep_socket(os.environ["DBUS_SYSTEM_BUS_ADDRESS"].removeprefix("unix:path="), descriptors)
            with socket.socket(fileno=3) as s:
                socket.send_fds(s, [b"+"], [sock.fileno()])
            while True:
                signal.pause()
        except BaseException as e:
            os.write(2, f"client of {user}: {e!r}\n".encode())
        finally:
            os._exit(1)
    theirs.close()
    with ours:
        data, fds, _, _ = socket.recv_fds(ours, 1, 1)
    if not fds:
        os.waitpid(pid, 0)
        raise RuntimeError(f"no connection for {user}")
    return socket.socket(fileno=fds[0]), pid


class Bus:
    """A client of the bus. Signals and replies are in `log` in the order of their arrival, incoming calls in
    `calls`."""

    def __init__(self, user="root", descriptors=False):
        self.user = user
        self.uid = uid_of(user)
        self.sock, self.pid = connect_as(user, descriptors)
        self.parser = Parser()
        self.serial = 0
        self.log = []
        self.heard = 0      # signals and calls, not replies
        self.calls = []
        self.replies = {}
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)
        self.unique = self.bus("Hello")[0]

    def kill(self):
        """The process dies of SIGKILL, and so the connection goes."""
        if self.pid is None:
            return
        self.sock.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = None

    # sending

    def write(self, message, descriptors=()):
        self.serial += 1
        if descriptors:
            message.header.fields[HeaderFields.unix_fds] = len(descriptors)
            socket.send_fds(self.sock, [message.serialise(serial=self.serial)], descriptors)
        else:
            self.sock.sendall(message.serialise(serial=self.serial))
        return self.serial

    def send(self, path, interface, member, signature="", body=(), to=NAME, flags=0, descriptors=()):
        message = new_method_call(DBusAddress(path, to, interface), member, signature or None, body)
        if interface is None:
            del message.header.fields[HeaderFields.interface]
        message.header.flags = MessageFlag(flags)
        return self.write(message, descriptors)

    def call(self, path, interface, member, signature="", body=(), to=NAME, flags=0, timeout=DEADLINE):
        return self.reply(self.send(path, interface, member, signature, body, to, flags), timeout)

    def bus(self, member, signature="", *body):
        return self.call("/org/freedesktop/DBus", DBUS, member, signature, body, DBUS)

    def answer(self, call, signature=None, body=()):
        self.write(new_method_return(call, signature, body))

    def refuse(self, call, name, message=""):
        self.write(new_error(call, name, "s", (message,)))

    # receiving

    def pump(self, end):
        """Takes in what has arrived; waits for something until `end`. False when nothing came."""
        # poll() counts whole milliseconds; rounding up never gives up early
        if not self.poll.poll(max(0, (end - time.monotonic()) * 1000 + 1)):
            return False
        data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 16)
        if not data:
            raise ConnectionResetError("the bus closed the connection")
        now = time.monotonic()
        self.parser.add_data(data, [FileDescriptor(fd) for fd in fds])
        while message := self.parser.get_next_message():
            self.take(message, now)
        return True

    def take(self, message, now):
        fields = message.header.fields
        kind = message.header.message_type
        self.heard += kind in (MessageType.signal, MessageType.method_call)
        if kind == MessageType.signal:
            self.log.append(Signal(fields[HeaderFields.path], fields[HeaderFields.interface],
                                   fields[HeaderFields.member], message.body, now))
        elif kind == MessageType.method_call:
            self.calls.append(message)
        else:
            reply = Reply(fields[HeaderFields.reply_serial], fields.get(HeaderFields.error_name),
                          fields.get(HeaderFields.signature, ""), message.body, now)
            self.log.append(reply)
            self.replies[reply.serial] = reply

    def wait(self, condition, timeout=DEADLINE, what="condition"):
        """Returns what `condition` returns once that is true. It is asked whenever something has arrived."""
        end = time.monotonic() + timeout
        while True:
            heard = self.heard
            if value := condition():
                return value
            # what came while the condition itself was calling would not be asked about again
            if heard == self.heard and not self.pump(end):
                raise AssertionError(f"{what() if callable(what) else what}: not within {timeout} s")

    def reply(self, serial, timeout=DEADLINE):
        reply = self.wait(lambda: self.replies.get(serial), timeout, f"reply to call {serial}")
        if reply.error:
            raise BusError(reply.error, reply.body[0] if reply.body else "")
        return reply.body

    def settle(self):
        """Takes in everything that was sent to this client before now: the bus keeps the order."""
        self.bus("GetId")

    def subscribe(self, match=f"type='signal',sender='{NAME}'"):
        self.bus("AddMatch", "s", match)
        return self

    def signals(self, member, path=None, interface=None, since=0):
        """Arguments of the signals so named, in order."""
        return [s.body for s in self.log[since:] if isinstance(s, Signal) and s.member == member and
                path in (None, s.path) and interface in (None, s.interface)]

    def await_signal(self, member, path=None, interface=None, since=0, timeout=DEADLINE,
                     match=lambda *arguments: True):
        """The first such signal's arguments."""
        def found():
            return [b for b in self.signals(member, path, interface, since) if match(*b)]
        return self.wait(found, timeout, f"{member} {path or ''}")[0]

    # what is on the bus of the service

    def get(self, path, interface, name):
        return self.call(path, PROPERTIES, "Get", "ss", (interface, name))[0][1]

    def get_all(self, path, interface):
        return plain(self.call(path, PROPERTIES, "GetAll", "s", (interface,))[0])

    def manager(self, member, signature="", *body):
        return self.call(ROOT, MANAGER, member, signature, body)

    def link(self, index):
        return self.get_all(link_path(index), LINK)

    def objects(self):
        return self.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")[0]

    def send_acquire(self, index, reason="testing", options=None, interactive=False):
        return self.send(link_path(index), LINK, "Acquire", "sa{sv}", (reason, options or {}),
                         flags=4 if interactive else 0)

    def acquire(self, index, reason="testing", options=None, interactive=False):
        """→ (id, path)"""
        return self.reply(self.send_acquire(index, reason, options, interactive))

    def acquire_descriptor(self, index, reason="testing", options=None):
        """→ (id, path, descriptor), the last only for a client that was made for descriptors"""
        id, path, fd = self.call(link_path(index), LINK, "AcquireDescriptor", "sa{sv}", (reason, options or {}))
        return id, path, fd.to_raw_fd()

    def release(self, index, id, interactive=False):
        return self.call(link_path(index), LINK, "Release", "t", (id,), flags=4 if interactive else 0)

    def mark(self):
        """The place in the log after all that has been sent to this client until now."""
        self.settle()
        return len(self.log)

    def references(self):
        return [plain(r) for r in self.manager("ListReferences")[0]]

    def await_released(self, id, timeout=DEADLINE):
        """The cause."""
        return self.await_signal("Released", reference_path(id), REFERENCE, timeout=timeout)[0]
