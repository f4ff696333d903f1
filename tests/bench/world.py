# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service, the measuring programs and the profilers, for rows.py."""

import os
import select
import shutil
import signal
import socket
import subprocess
import time

SERVICE = os.environ.get("PROMISC_BUILD", "") + "/service/promiscd"
PROGRAMS = os.environ.get("PROMISC_BUILD", "") + "/tests/bench/"
SUPPORT = os.path.dirname(os.path.abspath(__file__)) + "/../support/"
STAMP = "/run/bench-stamp"
LOG = "/run/bench-service.log"


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def numbers(*command):
    """What a measuring program prints: lines of integers."""
    return [[int(word) for word in line.split()] for line in run(*command).splitlines()]


def writable_by_all(file):
    open(file, "w").close()
    os.chmod(file, 0o666)


def log_tail():
    return "".join(open(LOG).readlines()[-20:]) if os.path.exists(LOG) else ""


class Service:
    """promiscd as in production, ready; start_ns is the time from its exec to READY=1. around is a program
    that runs it all, within one that becomes the service."""

    def __init__(self, around=(), within=()):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(b"\0bench-ready-%d" % id(self))
        environment = dict(os.environ, NOTIFY_SOCKET="@" + notify.getsockname()[1:].decode())
        writable_by_all(STAMP)
        command = [*around, SUPPORT + "run-promiscd", PROGRAMS + "stamp", STAMP, *within, SERVICE]
        with open(LOG, "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.start_ns = self.wait_ready(notify) - int(open(STAMP).read())
        if around:
            self.pid = int(open(f"/proc/{self.pid}/task/{self.pid}/children").read())

    def wait_ready(self, notify):
        poll = select.poll()
        poll.register(notify, select.POLLIN)
        poll.register(os.pidfd_open(self.process.pid), select.POLLIN)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for fd, _ in poll.poll(1000):
                if fd != notify.fileno():
                    raise RuntimeError(f"promiscd ended before it was ready: status {self.process.wait()}")
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return time.monotonic_ns()
        raise RuntimeError("promiscd was not ready within a minute")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        self.process.wait()


PERF = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-o", "/run/bench-perf.data"]
STRACE = ["strace", "-c", "-f", "-q", "-o", "/run/bench-strace.txt"]


def profile_running(directory, name, pid, load):
    """What the process does under a load, in two files."""
    for command in PERF, STRACE:
        profiler = subprocess.Popen([*command, "-p", str(pid)])
        # Neither says when it has attached.
        time.sleep(1)
        load()
        profiler.send_signal(signal.SIGINT)
        profiler.wait()
    write_profile(directory, name)


def profile_start(directory, name):
    writable_by_all(STRACE[-1])
    with Service(around=[*PERF, "--"]):
        pass
    # The tracer is the one that forks, so that the pid is the one that the netlink socket was passed to.
    with Service(within=["/usr/bin/strace", "-D", *STRACE[1:]]):
        pass
    write_profile(directory, name)


def write_profile(directory, name):
    with open(f"{directory}/profile-{name}.perf.txt", "w") as out:
        subprocess.run(["perf", "report", "--stdio", "--no-children", "--comm", "promiscd",
                        "--sort", "dso,symbol", "-i", PERF[-1]],
                       stdout=out, stderr=subprocess.DEVNULL, check=True)
    shutil.copyfile(STRACE[-1], f"{directory}/profile-{name}.strace.txt")
