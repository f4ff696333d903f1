/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Among PROCESSES processes, SOCKETS have a packet socket that holds a unit of LINK. Who they are is asked of the service
 * and of ss(8) in turn, while another one keeps calling the service. Prints "list-ns ss-ns longest-ns calls" for each turn,
 * the last two of the time that the service took. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bystander.h"
#include "promisc-names.h"

static _Noreturn void live(int ifindex, bool holds, int ready) {
        const struct packet_mreq request = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };
        int fd = holds ? socket(AF_PACKET, SOCK_RAW, 0) : -1;

        if (holds && (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) < 0))
                err(1, "packet socket");
        notify(ready);
        for (;;)
                pause();
}

/* Every socket must be there, with its process. */
static void check(sd_bus_message *reply, unsigned sockets) {
        unsigned n = 0;

        if (sd_bus_message_enter_container(reply, 'a', "a{sv}") < 0)
                errx(1, "ListHolders: unexpected reply");
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        const char *key;

                        if (sd_bus_message_read(reply, "s", &key) < 0)
                                errx(1, "ListHolders: unexpected reply");
                        if (strcmp(key, "processes") == 0) {
                                if (sd_bus_message_enter_container(reply, 'v', "a(uss)") < 0 ||
                                    sd_bus_message_enter_container(reply, 'a', "(uss)") < 0)
                                        errx(1, "ListHolders: unexpected reply");
                                while (sd_bus_message_skip(reply, "(uss)") > 0)
                                        n++;
                                sd_bus_message_exit_container(reply);
                                sd_bus_message_exit_container(reply);
                        } else
                                sd_bus_message_skip(reply, "v");
                        sd_bus_message_exit_container(reply);
                }
                sd_bus_message_exit_container(reply);
        }
        if (n != sockets)
                errx(1, "ListHolders: %u processes instead of %u", n, sockets);
}

static uint64_t list(sd_bus *bus, const char *path, unsigned sockets) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;
        uint64_t t = now_ns();

        if (sd_bus_call_method(bus, PROMISC_BUS_NAME, path, PROMISC_LINK_INTERFACE, "ListHolders", &error, &reply,
                               NULL) < 0)
                errx(1, "ListHolders: %s", error.message);
        t = now_ns() - t;
        check(reply, sockets);
        sd_bus_message_unref(reply);
        return t;
}

static uint64_t run_ss(void) {
        char *const arguments[] = { (char *) "ss", (char *) "-0", (char *) "-p", NULL };
        posix_spawn_file_actions_t actions;
        uint64_t t = now_ns();
        int r, status;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
                errx(1, "no memory");
        r = posix_spawnp(&pid, "ss", &actions, NULL, arguments, environ);
        if (r != 0) {
                errno = r;
                err(1, "ss");
        }
        if (waitpid(pid, &status, 0) < 0 || status != 0)
                errx(1, "ss failed");
        posix_spawn_file_actions_destroy(&actions);
        return now_ns() - t;
}

int main(int argc, char *argv[]) {
        char path[sizeof PROMISC_LINK_PREFIX + 12];
        int ready = counter_new(), ifindex;
        unsigned processes, sockets, turns;
        Bystander *bystander;
        sd_bus *bus;

        if (argc != 5)
                errx(2, "usage: holders LINK PROCESSES SOCKETS TURNS");
        ifindex = parse_link(argv[1]);
        processes = parse_number(argv[2]);
        sockets = parse_number(argv[3]);
        turns = parse_number(argv[4]);
        (void) snprintf(path, sizeof path, PROMISC_LINK_PREFIX "/%d", ifindex);

        for (unsigned i = 0; i < processes; i++) {
                if (fork_child() == 0)
                        live(ifindex, i % (processes / sockets) == 0, ready);
                wait_for(ready, "process");
        }
        bus = bus_open();
        bystander = bystander_new(ifindex);
        (void) list(bus, path, sockets);
        (void) run_ss();

        for (unsigned i = 0; i < turns; i++) {
                uint64_t listed;

                bystander->longest = 0;
                bystander->count = 0;
                bystander->watched = true;
                listed = list(bus, path, sockets);
                bystander->watched = false;
                printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 "\n", listed, run_ss(),
                       (uint64_t) bystander->longest, (uint32_t) bystander->count);
        }
        return 0;
}
