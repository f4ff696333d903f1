/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held-by.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "text-stream.h"

void held_by_done(HeldBy *h) {
        for (size_t i = 0; i < h->n; i++)
                free(h->items[i].kind);
        free(h->items);
        *h = (HeldBy){};
}

static int add(HeldBy *h, const char *kind, uint32_t count) {
        HeldByKind *items = reallocarray(h->items, h->n + 1, sizeof(HeldByKind));
        char *copy;

        if (!items)
                return -ENOMEM;
        h->items = items;
        copy = strdup(kind);
        if (!copy)
                return -ENOMEM;
        items[h->n++] = (HeldByKind){ copy, count };
        return 0;
}

int held_by_read(sd_bus_message *m, void *held_by) {
        _cleanup_(held_by_done) HeldBy h = {};
        const char *kind;
        uint32_t count;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{su}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{su}", &kind, &count)) > 0) {
                r = add(&h, kind, count);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        held_by_done(held_by);
        *(HeldBy *) held_by = h;
        h = (HeldBy){};
        return 0;
}

uint64_t held_by_sum(const HeldBy *h) {
        uint64_t sum = 0;

        for (size_t i = 0; i < h->n; i++)
                sum += h->items[i].count;
        return sum;
}

int held_by_to_string(const HeldBy *h, char **ret) {
        _cleanup_(text_stream_done) TextStream s = {};
        int r;

        r = text_stream_open(&s);
        if (r < 0)
                return r;
        if (h->n == 0)
                fputc('-', s.file);
        for (size_t i = 0; i < h->n; i++) {
                fprintf(s.file, "%s%s", i > 0 ? ", " : "", h->items[i].kind);
                if (h->items[i].count > 1)
                        fprintf(s.file, " ×%" PRIu32, h->items[i].count);
        }
        return text_stream_close(&s, ret);
}

void held_by_put_json(const HeldBy *h, Json *j, const char *key) {
        json_object(j, key);
        for (size_t i = 0; i < h->n; i++)
                json_unsigned(j, h->items[i].kind, h->items[i].count);
        json_end(j);
}
