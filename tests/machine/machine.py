# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine: a booted Debian with a build installed, thrown away at its end. As a program: pytest in one.

As process 1 in mount and process namespaces of its own, which `run` makes."""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

from image import image

HERE = os.path.dirname(os.path.realpath(__file__))
DEADLINE = 90       # for a boot or a shutdown
WORK = "/run/machine"
ROOT = WORK + "/root"
TESTS = "/usr/src/promiscd/tests"       # in the machine
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PROMISC_TEST_SLOWNESS": os.environ.get("PROMISC_TEST_SLOWNESS", "1"),
}
# Users to call from, as in the sandbox of the integration tests.
CALLERS = "u caller1 -\nu caller2 -\n"


def tool(*command, **more):
    subprocess.run(command, check=True, **more)


def new_cgroups():
    """A control group of the machine's own below ours, in each hierarchy where nspawn makes some and leaves
    them. The same name in all, because it does so too."""
    v2 = "/sys/fs/cgroup"
    if not os.path.exists(v2 + "/cgroup.controllers"):
        v2 += "/unified"
    places = {"": v2, "name=systemd": "/sys/fs/cgroup/systemd"}
    name = f"promiscd-machine.{uuid.uuid4().hex}"
    cgroups = []
    with open("/proc/self/cgroup") as f:
        for line in f:
            _, kind, path = line.rstrip("\n").split(":", 2)
            if kind in places and os.path.isdir(places[kind]):
                cgroups.append(os.path.join(places[kind] + path, name))
                os.mkdir(cgroups[-1])
    return cgroups


def remove_cgroup(top):
    for directory, _, _ in os.walk(top, topdown=False):
        os.rmdir(directory)


def collect_all():
    """Returns when no other process is left here. As process 1 this one has all orphans, and the machine is
    not gone before all that went into it from here are collected."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


class Machine:
    def __init__(self, build):
        self.build = os.path.realpath(build)
        self.process = self.leader = None
        self.cgroups = []

    def install(self):
        """The image, untouched below, and over it what is built and these tests."""
        lower = image()
        # nspawn leaves things in /run, and must not find the machine's own systemd there.
        tool("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        for name in "upper", "work", "root", "destdir":
            os.makedirs(f"{WORK}/{name}")
        tool("mount", "-t", "overlay", "-o",
             f"lowerdir={lower},upperdir={WORK}/upper,workdir={WORK}/work", "overlay", ROOT)
        tool("meson", "install", "--no-rebuild", "--quiet", "-C", self.build,
             env=dict(os.environ, DESTDIR=WORK + "/destdir"))
        # As dpkg does: where the system has /lib as a link, it stays one.
        files = subprocess.check_output(["tar", "-C", WORK + "/destdir", "-c", "."])
        tool("tar", "-C", ROOT, "-x", "--keep-directory-symlink", "--no-overwrite-dir", input=files)
        for name in "machine", "integration":
            shutil.copytree(f"{HERE}/../{name}", f"{ROOT}{TESTS}/{name}")
        os.makedirs(ROOT + "/usr/lib/promiscd-test")
        shutil.copy(self.build + "/tests/support/faults.so", ROOT + "/usr/lib/promiscd-test/")
        with open(ROOT + "/usr/lib/sysusers.d/callers.conf", "w") as f:
            f.write(CALLERS)
        # Tells systemd that there is something new in /usr, so that it makes its users at boot.
        os.utime(ROOT + "/usr")

    def start(self):
        self.install()
        self.cgroups = new_cgroups()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
                open(WORK + "/console", "wb") as console:
            notify.bind(WORK + "/notify")

            def enter_cgroups():
                for cgroup in self.cgroups:
                    with open(cgroup + "/cgroup.procs", "w") as f:
                        f.write("0")
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
                 "--notify-ready=yes", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                 "--machine=promiscd-test", "--directory=" + ROOT, "--boot"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=enter_cgroups,
                # A signal to our process group is for us, and a second one would make it leave at once.
                start_new_session=True,
                # Whatever the host has, the control groups of the machine are those of today.
                env=dict(os.environ, NOTIFY_SOCKET=notify.getsockname(), UNIFIED_CGROUP_HIERARCHY="yes"))
            self.await_boot(notify)

    def await_boot(self, notify):
        end = time.monotonic() + DEADLINE
        told = {}
        while told.get("READY") != "1":
            notify.settimeout(max(0.001, end - time.monotonic()))
            try:
                lines = notify.recv(4096).decode().splitlines()
            except TimeoutError:
                with open(WORK + "/console", errors="replace") as console:
                    raise SystemExit(f"The machine does not boot:\n{console.read()}") from None
            told.update(line.split("=", 1) for line in lines if "=" in line)
        self.leader = int(told["X_NSPAWN_LEADER_PID"])
        # Tests look at what it answers; here it is only waited for.
        self.run("systemctl", "is-system-running", "--wait", stdout=subprocess.DEVNULL)

    def run(self, *command, scope=None, **more):
        """Runs a command in the machine, if need be in a scope of its own there. As subprocess.run()."""
        if scope:
            command = "systemd-run", "--quiet", "--scope", "--unit=" + scope, "--", *command
        enter = ("nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid",
                 "--cgroup", "--root", "--wd", "--")
        return subprocess.run([*enter, *command], stdin=subprocess.DEVNULL, env=ENVIRONMENT, **more)

    def stop(self):
        """Shut down, or killed if it does not."""
        if self.process:
            signal.signal(signal.SIGALRM, lambda *_: self.process.kill())
            signal.alarm(DEADLINE)
            self.process.terminate()
            collect_all()
            signal.alarm(0)
        for cgroup in self.cgroups:
            remove_cgroup(cgroup)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()


def main():
    parser = argparse.ArgumentParser(description="All other options are pytest's.")
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("--junitxml", metavar="FILE")
    options, more = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = "/var/tmp/results.xml"
    with Machine(options.build) as machine:
        status = machine.run("/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q",
                             f"--rootdir={TESTS}/machine", f"--junitxml={results}", *more,
                             TESTS + "/machine", scope="tests").returncode
        if options.junitxml and os.path.exists(ROOT + results):
            shutil.copyfile(ROOT + results, options.junitxml)
        if status:
            machine.run("journalctl", "--no-pager", "--unit=promisc.service", "--unit=promisc.socket",
                        "--lines=300")
    return status


if __name__ == "__main__":
    sys.exit(main())
