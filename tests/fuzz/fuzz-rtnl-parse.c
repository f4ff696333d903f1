/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "rtnl-parse.h"
#include "text.h"

/* The messages of one datagram, as far as they are whole: that is for the caller to see to. What is read of
 * each is compared with its bytes. */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

typedef struct Bytes {
        const uint8_t *data;
        size_t length;
} Bytes;

static uint32_t u32_at(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint16_t u16_at(const uint8_t *p) {
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* The payload of the last attribute of that type on this level, or nothing. */
static Bytes find(Bytes in, unsigned type) {
        Bytes found = {};

        for (size_t at = 0, n; at + 4 <= in.length; at += (n + 3) & ~(size_t) 3) {
                n = u16_at(in.data + at);
                must(n >= 4 && n <= in.length - at);
                if ((u16_at(in.data + at + 2) & NLA_TYPE_MASK) == type)
                        found = (Bytes){ in.data + at + 4, n - 4 };
        }
        return found;
}

static uint32_t find_u32(Bytes in, unsigned type) {
        Bytes found = find(in, type);

        must(!found.data || found.length == 4);
        return found.data ? u32_at(found.data) : 0;
}

static int check_alternative_name(const char *name, void *userdata) {
        const Bytes *list = userdata;
        const uint8_t *begin = (const uint8_t *) name, *end = list->data + list->length;

        must(begin > list->data && begin < end);
        must(memchr(begin, '\0', (size_t) (end - begin)) && strlen(name) <= NAME_MAX_BYTES);
        return 0;
}

static int stop(const char *name, void *userdata) {
        return 4711;
}

static void check_name(Bytes attributes, const LinkMessage *m) {
        Bytes name = find(attributes, IFLA_IFNAME);

        must(memchr(m->name, '\0', sizeof(m->name)));
        must(!strchr(m->name, '/') && strcmp(m->name, ".") != 0 && strcmp(m->name, "..") != 0);
        must(m->removed || m->name[0] != '\0');
        must(!name.data ? m->name[0] == '\0' : strcmp(m->name, (const char *) name.data) == 0);
}

static void check_message(Bytes in, const LinkMessage *m) {
        Bytes attributes = { in.data + 32, in.length - 32 };
        Bytes list = find(attributes, IFLA_PROP_LIST), address = find(attributes, IFLA_ADDRESS);
        int r, lower = (int) find_u32(attributes, IFLA_LINK);

        must(m->removed == (u16_at(in.data + 4) == RTM_DELLINK));
        must(in.data[16] == AF_UNSPEC);
        must(m->ifindex > 0 && m->ifindex == (int) u32_at(in.data + 20));
        must(m->flags == u32_at(in.data + 24) && m->change == u32_at(in.data + 28));

        must(m->removed || find(attributes, IFLA_PROMISCUITY).data);
        must(m->promiscuity == find_u32(attributes, IFLA_PROMISCUITY));
        must(m->allmulti == find_u32(attributes, IFLA_ALLMULTI));
        must(m->place.master >= 0 && m->place.master == (int) find_u32(attributes, IFLA_MASTER));
        must(m->place.lower >= 0 && (m->place.lower == 0 || (m->place.lower == lower && m->place.lower != m->ifindex)));
        must(m->place.address_length == (address.length < 255 ? address.length : 255));
        must(m->place.kind <= LINK_KIND_VLAN && m->place.master_kind <= LINK_KIND_VLAN);
        must(m->place.active_port >= 0 && (m->place.active_port == 0 || m->place.kind == LINK_KIND_BOND));
        must((m->place.ports[0] == 0 && m->place.ports[1] == 0) || m->place.kind == LINK_KIND_HSR);
        must(!m->place.vlan_filtering || m->place.kind == LINK_KIND_BRIDGE);
        must(!m->place.nopromisc || m->place.kind == LINK_KIND_MACVLAN || m->place.kind == LINK_KIND_MACVTAP);
        must(!m->place.auto_port || m->place.master_kind == LINK_KIND_BRIDGE);
        must(!m->moved || (m->removed && find(attributes, IFLA_NEW_NETNSID).data));
        check_name(attributes, m);

        must(!m->alternative_names == !list.data);
        must(link_message_each_alternative_name(m, check_alternative_name, &list) == 0);
        r = link_message_each_alternative_name(m, stop, NULL);
        must(r == 0 || r == 4711);
}

static void one_message(const struct nlmsghdr *h) {
        LinkMessage m, untouched;
        int r;

        memset(&untouched, 0xa5, sizeof(untouched));
        m = untouched;
        r = link_message_parse(h, &m);
        must(r == 0 || r == -ENOMSG || r == -EBADMSG);
        if (r == 0)
                check_message((Bytes){ (const uint8_t *) h, h->nlmsg_len }, &m);
        else
                must(memcmp(&m, &untouched, sizeof(m)) == 0);
}

/* A byte more or less makes nonsense of all lengths around it. So in every other mutation they are mended,
 * up to one message whose last attribute ends where the input does. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
        uint32_t length;
        uint16_t n;

        size = LLVMFuzzerMutate(data, size, max);
        if (seed % 2 == 0 || size < 32)
                return size;

        length = (uint32_t) size;
        memcpy(data, &length, sizeof(length));
        for (size_t at = 32; at + 4 <= size; at += ((size_t) n + 3) & ~(size_t) 3) {
                n = u16_at(data + at);
                if (n < 4 || n > size - at)
                        n = size - at < UINT16_MAX ? (uint16_t) (size - at) : UINT16_MAX;
                memcpy(data + at, &n, sizeof(n));
        }
        return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint32_t n;

        for (size_t at = 0; at < size && size - at >= NLMSG_HDRLEN; at += NLMSG_ALIGN((size_t) n)) {
                struct nlmsghdr *h;

                n = u32_at(data + at);
                if (n < NLMSG_HDRLEN || n > size - at)
                        break;
                h = fuzz_copy(data + at, n);
                one_message(h);
                free(h);
        }
        return 0;
}
