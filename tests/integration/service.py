# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service, as its units start it."""

import os
import select
import signal
import socket
import subprocess
import tempfile
import time

from names import BUILD, DEADLINE, SOURCE

RUN_PROMISCD = SOURCE + "/tests/support/run-promiscd"
PROMISCD = BUILD + "/service/promiscd"


class Service:
    def __init__(self, *options, receive_buffer=None, prefix=(), keeps_freed=True):
        """keeps_freed=False: memory that was freed is free, with sanitizers too."""
        # notifications come to a socket that the service user may write to
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"/run/notify-{time.monotonic_ns()}")
        os.chmod(self.notify.getsockname(), 0o666)
        self.errors = tempfile.TemporaryFile(dir="/run")
        how = [] if receive_buffer is None else [f"--receive-buffer={receive_buffer}"]
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ("" if keeps_freed else ":quarantine_size_mb=1")
        self.process = subprocess.Popen(
            [*prefix, RUN_PROMISCD, *how, PROMISCD, *options],
            stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
            env=dict(os.environ, NOTIFY_SOCKET=self.notify.getsockname(), ASAN_OPTIONS=sanitizer))
        self.pidfd = os.pidfd_open(self.process.pid)
        self.poll = select.poll()
        self.poll.register(self.notify, select.POLLIN)
        self.poll.register(self.pidfd, select.POLLIN)

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        fd = self.errors.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="backslashreplace")

    def await_ready(self, timeout=DEADLINE):
        end = time.monotonic() + timeout
        while True:
            events = dict(self.poll.poll(max(0, end - time.monotonic()) * 1000 + 1))
            if self.notify.fileno() in events:
                if b"READY=1" in self.notify.recv(4096).split(b"\n"):
                    return self
            elif events:
                raise AssertionError(f"the service ended before it was ready:\n{self.stderr()}")
            else:
                raise AssertionError(f"the service was not ready within {timeout} s:\n{self.stderr()}")

    def memory_peak(self):
        """In bytes."""
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM:"))

    def await_asleep(self):
        """Until it has dealt with all that there is."""
        def state():
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0]
        while state() != "S":
            pass

    def pause(self):
        """From here on it does nothing: what comes in waits."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def await_end(self, timeout=DEADLINE):
        """The exit status."""
        try:
            return self.process.wait(timeout)
        finally:
            assert "Sanitizer" not in self.stderr() and "runtime error" not in self.stderr(), self.stderr()

    def stop(self):
        """An orderly stop must work whatever came before."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            status = self.await_end()
            assert status == 0, f"status {status}:\n{self.stderr()}"

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.pidfd)
        self.notify.close()
        self.errors.close()
