/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn)) become_agent(pid_t parent, int notify_fd) {
        char number[16];
        int null;

        /* Must not outlive us; and we may be gone already. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || fcntl(notify_fd, F_SETFD, 0) < 0)
                _exit(1);

        /* It asks on /dev/tty. What else it says, such as that polkit is not there, the service says too. */
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
                _exit(1);

        snprintf(number, sizeof(number), "%d", notify_fd);
        execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback", (char *) NULL);
        _exit(1);
}

void agent_open(const Options *o, pid_t *agent) {
        pid_t parent = getpid(), pid;
        int pipe_fds[2];
        struct pollfd p;

        *agent = 0;
        /* root is not asked; elsewhere an agent of this machine is no help; without a terminal nobody can
         * answer. */
        if (!o->ask_password || o->host || o->machine || geteuid() == 0 || !isatty(STDIN_FILENO))
                return;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return;

        pid = fork();
        if (pid == 0)
                become_agent(parent, pipe_fds[1]);
        close(pipe_fds[1]);

        /* It closes its end when it is registered, and by going if it cannot be. */
        p = (struct pollfd){ .fd = pipe_fds[0], .events = POLLIN };
        if (pid > 0) {
                while (poll(&p, 1, -1) < 0 && errno == EINTR)
                        ;
                *agent = pid;
        }
        close(pipe_fds[0]);
}

void agent_close(pid_t *agent) {
        if (*agent <= 0)
                return;
        (void) kill(*agent, SIGTERM);
        (void) kill(*agent, SIGCONT);
        while (waitpid(*agent, NULL, 0) < 0 && errno == EINTR)
                ;
        *agent = 0;
}
