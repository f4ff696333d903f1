/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holder-info.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "cleanup.h"
#include "message.h"
#include "promisc-names.h"
#include "properties.h"
#include "text-stream.h"

static void process_list_done(ProcessList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].command);
                free(l->items[i].unit);
        }
        free(l->items);
        *l = (ProcessList){};
}

static void holder_info_done(HolderInfo *h) {
        free(h->kind);
        free(h->reference);
        free(h->reason);
        free(h->upper);
        process_list_done(&h->processes);
        *h = (HolderInfo){};
}

void holder_list_done(HolderList *l) {
        for (size_t i = 0; i < l->n; i++)
                holder_info_done(l->items + i);
        free(l->items);
        *l = (HolderList){};
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static int add_process(ProcessList *l, uint32_t pid, const char *command, const char *unit) {
        ProcessInfo *items = reallocarray(l->items, l->n + 1, sizeof(ProcessInfo));
        ProcessInfo *p;

        if (!items)
                return -ENOMEM;
        l->items = items;
        p = items + l->n++;
        *p = (ProcessInfo){ pid, strdup(command), strdup(unit) };
        return p->command && p->unit ? 0 : -ENOMEM;
}

static int read_processes(sd_bus_message *m, void *to) {
        _cleanup_(process_list_done) ProcessList l = {};
        const char *command, *unit;
        uint32_t pid;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(uss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(uss)", &pid, &command, &unit)) > 0) {
                r = add_process(&l, pid, command, unit);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        process_list_done(to);
        *(ProcessList *) to = l;
        l = (ProcessList){};
        return 0;
}

static const Property properties[] = {
        { "kind", "s", offsetof(HolderInfo, kind) },
        { "count", "u", offsetof(HolderInfo, count) },
        { "inode", "t", offsetof(HolderInfo, inode) },
        { "uid", "u", offsetof(HolderInfo, uid) },
        { "reference", "o", offsetof(HolderInfo, reference) },
        { "reason", "s", offsetof(HolderInfo, reason) },
        { "upper", "s", offsetof(HolderInfo, upper) },
        { "processes", "a(uss)", offsetof(HolderInfo, processes), read_processes },
        { "incomplete", "b", offsetof(HolderInfo, incomplete) },
};

static int grow(HolderList *l, HolderInfo **ret) {
        HolderInfo *items = reallocarray(l->items, l->n + 1, sizeof(HolderInfo));

        if (!items)
                return -ENOMEM;
        l->items = items;
        *ret = items + l->n++;
        **ret = (HolderInfo){};
        return 0;
}

int holder_list_read(sd_bus_message *reply, HolderList *ret) {
        _cleanup_(holder_list_done) HolderList l = {};
        HolderInfo *h;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(reply, 0)) == 0) {
                r = grow(&l, &h);
                if (r >= 0)
                        r = properties_read(reply, properties, ELEMENTSOF(properties), h);
                if (r < 0)
                        return r;
                if (!h->kind)
                        return -EBADMSG;
        }
        if (r < 0)
                return r;

        *ret = l;
        l = (HolderList){};
        return 0;
}

int holder_list_from_held_by(const HeldBy *held_by, HolderList *ret) {
        _cleanup_(holder_list_done) HolderList l = { .anonymous = true };
        HolderInfo *h;
        int r;

        for (size_t i = 0; i < held_by->n; i++) {
                r = grow(&l, &h);
                if (r < 0)
                        return r;
                h->count = held_by->items[i].count;
                h->kind = strdup(held_by->items[i].kind);
                if (!h->kind)
                        return -ENOMEM;
        }

        *ret = l;
        l = (HolderList){};
        return 0;
}

int holder_list_call_new(sd_bus *bus, const char *path, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, PROMISC_BUS_NAME, path, PROMISC_LINK_INTERFACE,
                                           "ListHolders");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(call, false);
        if (r >= 0)
                *ret = TAKE_PTR(call);
        return r;
}

bool holder_list_is_refusal(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, SD_BUS_ERROR_ACCESS_DENIED,
                                      SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
}

void holder_list_tell_refusal(const char *why) {
        message("Only kinds of holders are shown; root is shown who they are, and who polkit allows to inspect: %s", why);
}

uint64_t holder_list_sum(const HolderList *l) {
        uint64_t sum = 0;

        for (size_t i = 0; i < l->n; i++)
                sum += l->items[i].count;
        return sum;
}

/* --- comparing ----------------------------------------------------------------------------------------------------- */

static bool equal(const char *a, const char *b) {
        return strcmp(a ?: "", b ?: "") == 0;
}

static bool is_same(const HolderInfo *a, const HolderInfo *b, bool by_kind) {
        if (!equal(a->kind, b->kind))
                return false;
        return by_kind ||
               (a->inode == b->inode && equal(a->reference, b->reference) && equal(a->upper, b->upper));
}

static int64_t count_of(const HolderList *l, const HolderInfo *like, bool by_kind) {
        int64_t n = 0;

        for (size_t i = 0; i < l->n; i++)
                if (is_same(l->items + i, like, by_kind))
                        n += l->items[i].count;
        return n;
}

/* Whether it is the first of those that are the same. */
static bool is_first(const HolderList *l, size_t i, bool by_kind) {
        for (size_t k = 0; k < i; k++)
                if (is_same(l->items + k, l->items + i, by_kind))
                        return false;
        return true;
}

/* Those of `l` that have more units there than in `than`. */
static void tell_more(const HolderList *l, const HolderList *than, int sign, holder_change_t f, void *userdata) {
        for (size_t i = 0; i < l->n; i++) {
                const HolderInfo *h = l->items + i;
                /* Where the other has none of the kind, it does not matter who they were. */
                bool by_kind = l->anonymous || (than->anonymous && count_of(than, h, true) > 0);
                HolderInfo kind = { .kind = h->kind };
                int64_t more;

                if (!is_first(l, i, by_kind))
                        continue;
                more = count_of(l, h, by_kind) - count_of(than, h, by_kind || than->anonymous);
                if (more > 0)
                        f(by_kind ? &kind : h, sign * more, userdata);
        }
}

void holder_list_compare(const HolderList *before, const HolderList *after, holder_change_t f, void *userdata) {
        tell_more(after, before, 1, f, userdata);
        tell_more(before, after, -1, f, userdata);
}

/* --- showing ------------------------------------------------------------------------------------------------------- */

void process_info_put(FILE *f, const ProcessInfo *p) {
        if (!*p->command)
                fprintf(f, "pid %" PRIu32, p->pid);
        else
                fprintf(f, "%s (pid %" PRIu32 "%s%s)", p->command, p->pid, *p->unit ? ", " : "", p->unit);
}

static void put_processes(FILE *f, const ProcessList *l) {
        for (size_t i = 0; i < l->n; i++) {
                fputs(i > 0 ? ", " : "", f);
                process_info_put(f, l->items + i);
        }
}

static uint64_t reference_id(const HolderInfo *h) {
        uint64_t id;

        return bus_path_number(h->reference, PROMISC_REFERENCE_PREFIX, &id) < 0 ? 0 : id;
}

void holder_info_put(FILE *f, const HolderInfo *h, uint64_t units) {
        fputs(h->kind, f);
        if (units > 1)
                fprintf(f, " ×%" PRIu64, units);
        if (h->reference) {
                fprintf(f, " %" PRIu64 ": ", reference_id(h));
                put_processes(f, &h->processes);
                fprintf(f, "%sUID %" PRIu32 ": %s", h->processes.n > 0 ? ", " : "", h->uid, h->reason ?: "");
        } else if (h->processes.n > 0) {
                fputs(": ", f);
                put_processes(f, &h->processes);
        } else if (h->inode > 0)
                fprintf(f, ": inode %" PRIu64 ", UID %" PRIu32 ", %s", h->inode, h->uid,
                        h->incomplete ? "processes not looked up" : "no process has it open");
        else if (h->upper)
                fprintf(f, ": %s", h->upper);
}

int holder_info_to_string(const HolderInfo *h, char **ret) {
        _cleanup_(text_stream_done) TextStream s = {};
        int r;

        r = text_stream_open(&s);
        if (r < 0)
                return r;
        holder_info_put(s.file, h, h->count);
        return text_stream_close(&s, ret);
}

void holder_info_put_json(const HolderInfo *h, Json *j, const char *key) {
        json_object(j, key);
        json_string(j, "kind", h->kind);
        json_unsigned(j, "count", h->count);
        if (h->inode > 0)
                json_unsigned(j, "inode", h->inode);
        if (h->reference)
                json_unsigned(j, "reference", reference_id(h));
        if (h->inode > 0 || h->reference) {
                json_unsigned(j, "uid", h->uid);
                if (h->reason)
                        json_string(j, "reason", h->reason);
                json_array(j, "processes");
                for (size_t i = 0; i < h->processes.n; i++) {
                        json_object(j, NULL);
                        json_unsigned(j, "pid", h->processes.items[i].pid);
                        json_string(j, "command", h->processes.items[i].command);
                        json_string(j, "unit", h->processes.items[i].unit);
                        json_end(j);
                }
                json_end(j);
                if (h->incomplete)
                        json_bool(j, "incomplete", true);
        }
        if (h->upper)
                json_string(j, "upper", h->upper);
        json_end(j);
}
