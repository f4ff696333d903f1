# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starting, refusing to start, and ending when there is nothing left to serve."""

import json
import os
import signal
import subprocess
import sys

import pytest

from bus import Bus
from links import await_agreement, counter, index_of, ip, link_names
from names import BUILD, DEADLINE, MANAGER, ROOT
from service import PROMISCD, RUN_PROMISCD, Service


def promiscd(*options):
    """→ exit status, standard output, standard error"""
    result = subprocess.run([RUN_PROMISCD, PROMISCD, *options], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=DEADLINE)
    return result.returncode, result.stdout, result.stderr


def test_help_and_version():
    status, out, error = promiscd("--help")
    assert (status, error) == (0, "")
    for option in "--help", "--version", "--references-max", "--references-per-user-max", "--resync-sec":
        assert option in out
    assert promiscd("-h")[1] == out
    with open(BUILD + "/meson-info/intro-projectinfo.json") as f:
        version = json.load(f)["version"]
    status, out, error = promiscd("--version")
    assert (status, error) == (0, "") and version in out.split()


@pytest.mark.parametrize("option", [
    "--no-such-option", "-x", "argument", "--references-max", "--references-max=", "--references-max=x",
    "--references-max=-1", "--references-max=1x", "--references-max=99999999999999999999",
    "--references-max= 5", "--references-per-user-max=x", "--references-per-user-max=-1", "--resync-sec=",
    "--resync-sec=-1", "--resync-sec=x", "--resync-sec=1e99", "--resync-sec=nan"])
def test_bad_options(option):
    status, out, error = promiscd(option)
    assert status > 0 and not out
    # one line says what
    name = option.split("=")[0].lstrip("-")
    assert name in error and error.count("\n") == 1, error


def test_ready_means_that_all_is_known(client, links, start):
    links.veth()
    ip("link", "set", "v0", "promisc", "on")
    start()
    bus = client()
    assert {name for _, name, _ in bus.manager("ListLinks")[0]} == link_names()
    await_agreement(bus, "v0", timeout=0)


def test_a_sysfs_of_another_namespace(client, links, refuses):
    """A container with the host's /sys: each link would be shown with another's flags, or none."""
    links.veth()
    said = refuses(prefix=["unshare", "-n"])
    assert "/sys" in said or "sysfs" in said
    assert "namespace" in said
    # the same index and another name; lo is 1 everywhere
    other = 'ip link add w0 index "$1" type ifb; shift; exec "$@"'
    said = refuses(prefix=["unshare", "-n", "sh", "-c", other, "sh", str(index_of("v0"))])
    assert "namespace" in said
    # the same name and another index
    other = 'ip link add v0 index 900 type ifb; exec "$@"'
    said = refuses(prefix=["unshare", "-n", "sh", "-c", other, "sh"])
    assert "namespace" in said


def test_while_links_come_and_go(links, start):
    """sysfs and the kernel's list differ at any time then, and it is the right sysfs nevertheless. Of links
    that go at a stroke some are half gone for long."""
    churn = []
    try:
        for name, group in ("s", 4001), ("t", 4002):
            lines = [f"link add {name}{i} group {group} type ifb" for i in range(50)]
            lines.append(f"link del group {group}")
            churn.append(subprocess.Popen(["yes", "\n".join(lines)], stdout=subprocess.PIPE))
            churn.append(subprocess.Popen(["ip", "-batch", "-"], stdin=churn[-1].stdout))
        for _ in range(30):
            start().stop()
    finally:
        for process in churn:
            process.kill()
            process.wait()
    assert churn[1].returncode == churn[3].returncode == -signal.SIGKILL, "it had ended before"


# seccomp(2): recvmmsg() of this process and those that it becomes fails with EIO.
DEAD_NETLINK = """
import ctypes, os, platform, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06      # linux/bpf_common.h
ERRNO, ALLOW, EIO = 0x00050000, 0x7fff0000, 5
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
number = {"x86_64": 299, "aarch64": 243}[platform.machine()]
code = b"".join(struct.pack("HBBI", *i) for i in (
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | EIO), (RETURN, 0, 0, ALLOW)))
buffer = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("H6xP", 4, ctypes.addressof(buffer)))
if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
    sys.exit("no seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_a_netlink_socket_that_fails_at_start(refuses):
    """Not an orderly end: systemd must start it anew."""
    assert "netlink" in refuses(prefix=[sys.executable, "-c", DEAD_NETLINK]).lower()


PASS = """
import os, socket, sys
exec(sys.argv[1])
for n, s in enumerate(sockets):
    os.dup2(s.fileno(), 100 + n)
for n in range(len(sockets)):
    os.dup2(100 + n, 3 + n)
os.closerange(3 + len(sockets), 200)
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("sockets", [
    "sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)]",
    "sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]",
    "sockets = [open('/dev/null')]",
    "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15); s.bind((0, 1)); sockets = [s]",
    "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); s.bind((0, 1)); sockets = [s, s]",
], ids=["unix", "inet", "file", "uevent", "two"])
def test_a_wrong_descriptor_is_passed(refuses, sockets):
    said = refuses(receive_buffer="none", prefix=[sys.executable, "-c", PASS, sockets])
    assert "netlink" in said.lower() or "descriptor" in said.lower() or "socket" in said.lower(), said
    assert len([line for line in said.splitlines() if line]) == 1, said


def test_a_second_one(root, refuses, client):
    said = refuses()
    assert "org.example.Promisc" in said
    assert root.get(ROOT, MANAGER, "Links") == 1


def test_no_bus(refuses, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/nothing-here")
    assert "bus" in refuses().lower()


def test_the_bus_goes(links, monkeypatch):
    """Then it ends, so that systemd starts it anew; and holds nothing on."""
    index = links.veth()
    address = "unix:path=/run/other-bus"
    ours, theirs = os.pipe()
    daemon = subprocess.Popen(
        ["dbus-daemon", "--config-file=/usr/share/dbus-1/system.conf", "--nofork", "--nopidfile",
         "--nosyslog", f"--address={address}", f"--print-address={theirs}"],
        pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with open(ours) as f:
        assert f.readline()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    service = Service()
    try:
        service.await_ready()
        bus = Bus()
        bus.acquire(index)
        assert counter("v0") == 1
        # with a call on its way
        bus.send_acquire(index)
        daemon.kill()
        daemon.wait()
        bus.kill()
        assert service.await_end() > 0
        assert "bus" in service.stderr().lower()
        assert counter("v0") == 0
    finally:
        service.discard()
        daemon.kill()
        daemon.wait()
