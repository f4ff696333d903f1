/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain-holders.h"

#include <inttypes.h>
#include <string.h>

#include "cleanup.h"

/* More names than that are told as a number; the list of holders has them all. */
#define NAMES_MAX 6U

typedef struct Phrase {
        const char *kind, *one, *several;
} Phrase;

static const Phrase phrases[] = {
        { "packet-socket", "packet socket", "packet sockets" },
        { "reference", "reference that promiscd keeps", "references that promiscd keeps" },
        { "bridge", "bridge above it", "bridges above it" },
        { "openvswitch", "Open vSwitch above it", "ports of Open vSwitch" },
        { "bond", "bond above it", "bonds above it" },
        { "team", "team above it", "teams above it" },
        { "hsr", "HSR device above it", "HSR devices above it" },
        { "dsa", "switch behind it (DSA)", "ports of the switch behind it (DSA)" },
        { "vlan", "VLAN on it", "VLANs on it" },
        { "macvlan", "macvlan on it", "macvlans on it" },
        { "macvtap", "macvtap on it", "macvtaps on it" },
        { "macsec", "MACsec device on it", "MACsec devices on it" },
        { "unicast-list", "further unicast address, by which it cannot filter,",
          "further unicast addresses" },
};

static void put_number(FILE *f, uint64_t n) {
        static const char *const words[] = { "no",    "one",   "two",  "three", "four",   "five",  "six",
                                             "seven", "eight", "nine", "ten",   "eleven", "twelve" };

        if (n < ELEMENTSOF(words))
                fputs(words[n], f);
        else
                fprintf(f, "%" PRIu64, n);
}

/* --- names --------------------------------------------------------------------------------------------------------- */

/* Counted first, so that it is known which is the last. */
typedef struct Names {
        FILE *f; /* NULL: only count */
        unsigned n, all;
} Names;

static bool begin_name(Names *names) {
        unsigned i = names->n++;

        if (!names->f || i >= NAMES_MAX)
                return false;
        if (i > 0)
                fputs(i + 1 == names->all ? " and " : ", ", names->f);
        return true;
}

static bool has_process(const HolderInfo *h, uint32_t pid) {
        for (size_t i = 0; i < h->processes.n; i++)
                if (h->processes.items[i].pid == pid)
                        return true;
        return false;
}

/* One process can have several sockets. */
static bool was_named(const HolderList *l, size_t end, uint32_t pid) {
        for (size_t i = 0; i < end; i++)
                if (strcmp(l->items[i].kind, "packet-socket") == 0 && has_process(l->items + i, pid))
                        return true;
        return false;
}

static void name_socket(Names *names, const HolderList *l, size_t i) {
        const HolderInfo *h = l->items + i;

        for (size_t k = 0; k < h->processes.n; k++)
                if (!was_named(l, i, h->processes.items[k].pid) && begin_name(names))
                        process_info_put(names->f, h->processes.items + k);
        if (h->processes.n == 0 && begin_name(names))
                fprintf(names->f, "inode %" PRIu64 " of UID %" PRIu32, h->inode, h->uid);
}

static void name_reference(Names *names, const HolderInfo *h) {
        if (!begin_name(names))
                return;
        if (h->processes.n > 0)
                process_info_put(names->f, h->processes.items);
        else
                fprintf(names->f, "UID %" PRIu32, h->uid);
        fprintf(names->f, " for \"%s\"", h->reason ?: "");
}

static void name(Names *names, const HolderList *l, const char *kind) {
        for (size_t i = 0; i < l->n; i++) {
                const HolderInfo *h = l->items + i;

                if (strcmp(h->kind, kind) != 0)
                        continue;
                if (h->reference)
                        name_reference(names, h);
                else if (h->inode > 0)
                        name_socket(names, l, i);
                else if (h->upper && begin_name(names))
                        fputs(h->upper, names->f);
        }
}

static void put_names(FILE *f, const HolderList *l, const char *kind) {
        Names names = {};

        name(&names, l, kind);
        if (names.n == 0)
                return;

        fputs(": ", f);
        names = (Names){ .f = f, .all = names.n };
        name(&names, l, kind);
        if (names.n > NAMES_MAX)
                fprintf(f, " and %u more", names.n - NAMES_MAX);
}

/* --- clauses ------------------------------------------------------------------------------------------------------- */

/* How many holders there are, and units. Where it is not told who they are, each unit counts for one. */
static void count(const HolderList *l, const char *kind, uint64_t *ret_holders, uint64_t *ret_units) {
        uint64_t holders = 0, units = 0;

        for (size_t i = 0; i < l->n; i++) {
                const HolderInfo *h = l->items + i;

                if (strcmp(h->kind, kind) != 0)
                        continue;
                holders += h->inode > 0 || h->reference || h->upper ? 1 : h->count;
                units += h->count;
        }
        *ret_holders = holders;
        *ret_units = units;
}

static const Phrase *find_phrase(const char *kind) {
        for (size_t i = 0; i < ELEMENTSOF(phrases); i++)
                if (strcmp(phrases[i].kind, kind) == 0)
                        return phrases + i;
        return NULL;
}

static void put_clause(FILE *f, const HolderList *l, const char *kind) {
        const Phrase *p = find_phrase(kind);
        uint64_t holders, units;

        count(l, kind, &holders, &units);
        put_number(f, holders);
        if (strcmp(kind, "unattributed") == 0) {
                fprintf(f,
                        " unit%s held by somebody who cannot be seen from here, such as a device on it in "
                        "another network "
                        "namespace",
                        units == 1 ? " is" : "s are");
                return;
        }

        fprintf(f, " %s %s it", p ? (holders == 1 ? p->one : p->several) : kind,
                holders == 1 ? "holds" : "hold");
        if (units != holders) {
                fputs(" with ", f);
                put_number(f, units);
                fputs(" units", f);
        }
        put_names(f, l, kind);
}

static bool is_first_of_its_kind(const HolderList *l, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (strcmp(l->items[k].kind, l->items[i].kind) == 0)
                        return false;
        return true;
}

void explain_holders(FILE *f, const HolderList *holders) {
        bool any = false;

        for (size_t i = 0; i < holders->n; i++) {
                const char *kind = holders->items[i].kind;

                if (strcmp(kind, "user") == 0 || strcmp(kind, "corrupt-counter") == 0 ||
                    !is_first_of_its_kind(holders, i))
                        continue;
                if (any)
                        fputs("; ", f);
                put_clause(f, holders, kind);
                any = true;
        }
}
