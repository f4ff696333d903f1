/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CPU time for each announced change, at a steady rate, with one subscriber:
 *
 *   storm RATE SECONDS LINK PID    changes of LINK that the service PID announces: all that the service uses
 *                                  meanwhile
 *   storm RATE SECONDS             this program emits such signals at the same rate: what the emission alone
 *                                  uses, without the waiting in between
 *
 * Prints "sent announced broken cpu-ns extra-ns"; broken are signals whose old value is not the new one
 * before; extra is how long the changes took to make, or, of a bare program, the CPU time of as many signals
 * in a row. */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static const uint32_t values[] = { 1, 2, 1, 0 };

typedef struct Seen {
        _Atomic uint32_t count;
        _Atomic uint32_t broken;
        _Atomic uint32_t last;
} Seen;

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Seen *seen = userdata;
        uint32_t old, new;

        bus_read_change(m, &old, &new);
        if (old != seen->last)
                seen->broken++;
        seen->last = new;
        seen->count++;
        return 0;
}

/* Until everything is announced, or nothing more comes for two seconds. */
static void settle(Seen *seen, uint32_t total) {
        uint64_t since = now_ns();

        for (uint32_t before = seen->count; seen->count < total && now_ns() - since < 2 * NSEC_PER_SEC;) {
                sleep_ns(NSEC_PER_MSEC);
                if (seen->count != before) {
                        before = seen->count;
                        since = now_ns();
                }
        }
        /* What the service does after the last announcement is a part of its work. */
        sleep_ns(200 * NSEC_PER_MSEC);
}

static uint64_t own_cpu_ns(void) {
        struct timespec ts;

        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0)
                err(1, "clock_gettime");
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static void emit(sd_bus *bus, uint32_t i) {
        bus_emit_change(bus, 1, values[(i + 3) % 4], values[i % 4]);
}

static uint64_t emit_paced(sd_bus *bus, Seen *seen, uint32_t total, unsigned rate) {
        uint64_t cpu = 0, start = now_ns();

        for (uint32_t i = 0; i < total; i++) {
                uint64_t before;

                sleep_until(start + i * NSEC_PER_SEC / rate);
                before = own_cpu_ns();
                emit(bus, i);
                cpu += own_cpu_ns() - before;
        }
        settle(seen, total);
        return cpu;
}

static uint64_t emit_in_a_row(sd_bus *bus, Seen *seen, uint32_t total) {
        uint64_t cpu = own_cpu_ns();

        for (uint32_t i = 0; i < total; i++)
                emit(bus, i);
        sd_bus_flush(bus);
        cpu = own_cpu_ns() - cpu;
        settle(seen, 2 * total);
        return cpu;
}

static uint64_t change(Changer *changer, Seen *seen, uint32_t total, unsigned rate, pid_t service,
                       uint64_t *ret_elapsed) {
        uint64_t cpu = process_cpu_ns(service), start = now_ns();

        for (uint32_t i = 0; i < total; i++) {
                sleep_until(start + i * NSEC_PER_SEC / rate);
                changer_step(changer);
        }
        *ret_elapsed = now_ns() - start;
        settle(seen, total);
        return process_cpu_ns(service) - cpu;
}

int main(int argc, char *argv[]) {
        uint64_t cpu, extra;
        int ready = counter_new();
        uint32_t total, announced;
        Changer changer;
        unsigned rate;
        sd_bus *bus;
        Seen *seen;

        if (argc != 3 && argc != 5)
                errx(2, "usage: storm RATE SECONDS [LINK PID]");
        rate = parse_number(argv[1]);
        total = rate * parse_number(argv[2]) / 4 * 4;

        seen = shared_memory(sizeof *seen);
        if (fork_child() == 0)
                bus_subscribe(ready, on_signal, seen);
        wait_for(ready, "subscription");

        if (argc == 5) {
                changer_open(&changer, parse_link(argv[3]));
                cpu = change(&changer, seen, total, rate, (pid_t) parse_number(argv[4]), &extra);
                announced = seen->count;
        } else {
                bus = bus_open();
                cpu = emit_paced(bus, seen, total, rate);
                announced = seen->count;
                extra = emit_in_a_row(bus, seen, total);
        }

        printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", total, announced,
               (uint32_t) seen->broken, cpu, extra);
        return 0;
}
