/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "counters.h"
#include "log.h"
#include "table.h"
#include "util.h"

#define MAGIC     UINT64_C(0x31304352434d5250) /* "PRMCRC01" */
#define GROWTH    512U /* slots: a page */
#define SLOTS_MAX (1U << 24)

/* One aligned 64-bit store each, so that no process sees half of one. Slot 0 and 1 are the header: magic and namespace. */
#define FIRST_SLOT 2U

typedef struct Former {
        int ifindex;
        uint32_t counter;
        CounterSlot slot;
} Former;

struct Counters {
        int fd;
        volatile uint64_t *slots;
        uint32_t n_slots;
        CounterSlot next; /* where to look for a free one first */
        bool full;        /* has been said */
        Table former;
};

static int compare_former(const void *key, const void *item) {
        int a = *(const int *) key, b = ((const Former *) item)->ifindex;

        return a < b ? -1 : a > b;
}

static uint64_t pack(int ifindex, uint32_t counter) {
        return (uint64_t) (uint32_t) ifindex << 32 | counter;
}

static int resize(Counters *c, uint32_t n) {
        void *p;
        int r;

        /* Space is reserved here; a page that tmpfs cannot back would be SIGBUS later. */
        r = posix_fallocate(c->fd, 0, (off_t) (n * sizeof(uint64_t)));
        if (r != 0)
                return -r;

        p = c->slots ? mremap((void *) c->slots, c->n_slots * sizeof(uint64_t), n * sizeof(uint64_t), MREMAP_MAYMOVE) :
                       mmap(NULL, n * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
        if (p == MAP_FAILED)
                return -errno;

        c->slots = p;
        c->n_slots = n;
        return 0;
}

static int read_former(Counters *c) {
        for (CounterSlot i = FIRST_SLOT; i < c->n_slots; i++) {
                int ifindex = (int) (c->slots[i] >> 32);
                Former *f;
                int r;

                if (c->slots[i] == 0)
                        continue;
                f = ifindex > 0 ? malloc(sizeof(Former)) : NULL;
                if (ifindex > 0 && !f)
                        return -ENOMEM;

                r = -EBADMSG;
                if (f) {
                        *f = (Former){ ifindex, (uint32_t) c->slots[i], i };
                        r = table_insert(&c->former, &f->ifindex, f);
                }
                if (r < 0) {
                        /* Nobody's link, or one that is there twice. */
                        free(f);
                        c->slots[i] = 0;
                        if (r == -ENOMEM)
                                return r;
                }
        }

        return 0;
}

/* Only a plain file will do; anything else of that name makes way. */
static int open_file(int directory_fd, struct stat *st) {
        int fd;

        for (unsigned tries = 0;; tries++) {
                fd = openat(directory_fd, "counters", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
                if (fd >= 0 && fstat(fd, st) >= 0 && S_ISREG(st->st_mode))
                        return fd;
                if (tries > 0 || (fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO && errno != EACCES)) {
                        int r = fd < 0 ? -errno : -EBADF;

                        close_fd(fd);
                        return r;
                }

                log_error("What stands in the place of the counters is no file, removing it");
                close_fd(fd);
                if (unlinkat(directory_fd, "counters", 0) < 0)
                        unlinkat(directory_fd, "counters", AT_REMOVEDIR);
        }
}

int counters_open(int directory_fd, uint64_t network_namespace, Counters **ret) {
        Counters *c = calloc(1, sizeof(Counters));
        struct stat st;
        uint32_t n;
        int r;

        if (!c)
                return -ENOMEM;
        c->former.compare = compare_former;
        c->next = FIRST_SLOT;
        r = c->fd = open_file(directory_fd, &st);
        if (r < 0)
                goto fail;

        n = (uint32_t) (st.st_size > (off_t) (SLOTS_MAX * sizeof(uint64_t)) ? SLOTS_MAX :
                        (size_t) st.st_size / sizeof(uint64_t));
        r = resize(c, n < GROWTH ? GROWTH : n);
        if (r < 0)
                goto fail;

        if (c->slots[0] == MAGIC && c->slots[1] == network_namespace)
                r = read_former(c);
        else {
                if (st.st_size > 0)
                        log_error("The counters that were left are not ours or damaged, forgetting them");
                for (uint32_t i = 0; i < c->n_slots; i++)
                        c->slots[i] = 0;
                c->slots[1] = network_namespace;
                c->slots[0] = MAGIC;
        }
        if (r < 0)
                goto fail;

        *ret = c;
        return 0;

fail:
        counters_close(c);
        return r;
}

Counters *counters_close(Counters *c) {
        if (!c)
                return NULL;

        for (size_t i = 0; i < c->former.n; i++)
                free(c->former.items[i]);
        table_done(&c->former);
        if (c->slots)
                munmap((void *) c->slots, c->n_slots * sizeof(uint64_t));
        close_fd(c->fd);
        free(c);
        return NULL;
}

bool counters_have_former(const Counters *c) {
        return c->former.n > 0;
}

bool counters_take_former(Counters *c, int ifindex, uint32_t *ret_counter, CounterSlot *ret_slot) {
        Former *f = table_remove(&c->former, &ifindex);

        if (!f)
                return false;
        *ret_counter = f->counter;
        *ret_slot = f->slot;
        free(f);
        return true;
}

bool counters_forget_former(Counters *c, int ifindex) {
        CounterSlot slot;
        uint32_t counter;

        if (!counters_take_former(c, ifindex, &counter, &slot))
                return false;
        counters_clear(c, &slot);
        return true;
}

int counters_get_former(const Counters *c) {
        return c->former.n > 0 ? ((const Former *) c->former.items[c->former.n - 1])->ifindex : 0;
}

static CounterSlot find_slot(Counters *c) {
        uint32_t before = c->n_slots;
        int r;

        for (CounterSlot i = c->next; i < c->n_slots; i++)
                if (c->slots[i] == 0)
                        return i;

        r = before + GROWTH > SLOTS_MAX ? -ENOSPC : resize(c, before + GROWTH);
        if (r < 0) {
                if (!c->full)
                        log_warning("No space to note the counters in: after a crash, changes meanwhile may not be told: %s",
                                    strerror(-r));
                c->full = true;
                return 0;
        }
        return before;
}

void counters_set(Counters *c, CounterSlot *slot, int ifindex, uint32_t counter) {
        if (*slot == 0) {
                *slot = find_slot(c);
                if (*slot == 0)
                        return;
                c->next = *slot + 1;
        }
        c->slots[*slot] = pack(ifindex, counter);
}

void counters_clear(Counters *c, CounterSlot *slot) {
        if (*slot == 0)
                return;
        c->slots[*slot] = 0;
        if (*slot < c->next)
                c->next = *slot;
        *slot = 0;
}
