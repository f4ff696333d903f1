/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <stdbool.h>

#include "packet-diag.h"

/* One answer of the kernel's, as long as it says that it is. What is told of it must stand in it. */

typedef struct Told {
        const uint8_t *data;
        size_t size;
        unsigned n;
} Told;

/* An entry has 44 bytes: index, count, 16 bits each of type and length, 32 of address. */
static bool stands_there(const Told *t, const PacketEntry *e) {
        for (size_t at = 16; at + 44 <= t->size; at += 4) {
                uint16_t type, length;
                int ifindex;

                memcpy(&ifindex, t->data + at, sizeof(ifindex));
                memcpy(&type, t->data + at + 8, sizeof(type));
                memcpy(&length, t->data + at + 10, sizeof(length));
                if (ifindex == e->ifindex && type == PACKET_MR_PROMISC && length == e->address_length &&
                    memcmp(t->data + at + 12, e->address, length) == 0)
                        return true;
        }
        return false;
}

static int on_entry(const PacketEntry *e, void *userdata) {
        Told *t = userdata;
        uint32_t inode;

        memcpy(&inode, t->data + 20, sizeof(inode));
        must(e->inode == inode);
        must(e->ifindex >= 0 && (e->ifindex == 0) == (t->n == 0));
        must(e->address_length <= sizeof(e->address));
        if (e->ifindex > 0)
                must(stands_there(t, e));
        t->n++;
        return 0;
}

static int stop(const PacketEntry *e, void *userdata) {
        return e->ifindex > 0 ? 4711 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint32_t length = (uint32_t) size;
        struct nlmsghdr *h;
        int r, stopped;
        Told t;

        if (size < sizeof(*h))
                return 0;
        h = fuzz_copy(data, size);
        memcpy(h, &length, sizeof(length));

        t = (Told){ (const uint8_t *) h, size, 0 };
        r = packet_diag_parse(h, on_entry, &t);
        must(r == 0 || r == -EBADMSG);
        must(r < 0 || t.n > 0);
        stopped = packet_diag_parse(h, stop, NULL);
        must(stopped == (t.n > 1 ? 4711 : r));
        free(h);
        return 0;
}
