/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the measuring programs have in common. They print samples; the arithmetic is the driver's. Whatever
 * goes wrong ends the program with a message: a measurement is whole or it is none. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#define NSEC_PER_SEC  UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)

uint64_t now_ns(void);

/* Sleeps until CLOCK_MONOTONIC reads ns. */
void sleep_until(uint64_t ns);
void sleep_ns(uint64_t ns);

/* CPU time that a process has used, user and system, all its threads. */
uint64_t process_cpu_ns(pid_t pid);

unsigned parse_number(const char *s);
int parse_link(const char *name);

/* Memory that this process and its children to come share, zeroed. */
void *shared_memory(size_t size);

/* A child that does not outlive its parent; fork()'s return value. */
pid_t fork_child(void);

/* Counters between processes: notify() adds one, wait_for() takes one and gives up after 10 s. */
int counter_new(void);
void notify(int fd);
void wait_for(int fd, const char *what);

/* Makes changes: the two sockets take and drop one unit each, so that the counter goes 0, 1, 2, 1, 0. */
typedef struct Changer {
        int fds[2];
        int ifindex;
        unsigned step;
} Changer;

void changer_open(Changer *c, int ifindex);
/* One change of the counter. */
void changer_step(Changer *c);

/* The counter, asked of the kernel. */
struct mnl_socket *rtnl_open(unsigned groups);
uint32_t rtnl_promiscuity(struct mnl_socket *nl, int ifindex);

sd_bus *bus_open(void);

/* The signal that the service sends for a change, sent by this process instead. */
void bus_emit_change(sd_bus *bus, int ifindex, uint32_t old, uint32_t new);

/* Calls handler for each PromiscuityChanged on the bus, until the process ends. ready is notified once the
 * bus has the subscription. */
_Noreturn void bus_subscribe(int ready, sd_bus_message_handler_t handler, void *userdata);
/* The old and new values of such a signal. */
void bus_read_change(sd_bus_message *m, uint32_t *ret_old, uint32_t *ret_new);
