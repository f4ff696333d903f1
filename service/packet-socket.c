/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "packet-socket.h"
#include "util.h"

struct PacketSocket {
        int fd;
        unsigned n_units;
        /* Devices on which this socket has its one entry with the empty address. */
        int unaddressed[PACKET_SOCKET_UNITS_MAX];
        unsigned n_unaddressed;
};

struct PacketPool {
        PacketSocket *sockets[PACKET_SOCKETS_MAX];
        unsigned n_sockets;
        unsigned first_free; /* none below it has room */
};

int packet_pool_new(PacketPool **ret) {
        PacketPool *p = calloc(1, sizeof(PacketPool));

        if (!p)
                return -ENOMEM;
        *ret = p;
        return 0;
}

PacketPool *packet_pool_free(PacketPool *p) {
        if (!p)
                return NULL;

        for (unsigned i = 0; i < p->n_sockets; i++) {
                close_fd(p->sockets[i]->fd);
                free(p->sockets[i]);
        }
        free(p);
        return NULL;
}

/* Asks before there is a socket, because closing one takes 12 ms. */
static int check_descriptors(void) {
        int fd = eventfd(0, EFD_CLOEXEC);
        bool reserved = fd >= 0 && fd_is_reserved(fd);

        if (fd < 0)
                return -errno;
        close(fd);
        return reserved ? -EMFILE : 0;
}

static int socket_open(PacketPool *p, bool reserve, PacketSocket **ret) {
        PacketSocket *s;
        int r;

        if (p->n_sockets >= PACKET_SOCKETS_MAX - (reserve ? 0 : PACKET_SOCKETS_ROOT))
                return -EUSERS;

        r = check_descriptors();
        if (r < 0)
                return r;

        s = calloc(1, sizeof(PacketSocket));
        if (!s)
                return -ENOMEM;

        /* Protocol 0: the kernel delivers nothing to it, bound or not. */
        s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0) {
                r = -errno;
                free(s);
                return r;
        }

        p->sockets[p->n_sockets++] = s;
        *ret = s;
        return 0;
}

static bool has_unaddressed(const PacketSocket *s, int ifindex) {
        for (unsigned i = 0; i < s->n_unaddressed; i++)
                if (s->unaddressed[i] == ifindex)
                        return true;
        return false;
}

static int socket_for(PacketPool *p, const PacketUnit *u, bool reserve, PacketSocket **ret) {
        while (p->first_free < p->n_sockets && p->sockets[p->first_free]->n_units == PACKET_SOCKET_UNITS_MAX)
                p->first_free++;

        for (unsigned i = p->first_free; i < p->n_sockets; i++) {
                PacketSocket *s = p->sockets[i];

                if (s->n_units == PACKET_SOCKET_UNITS_MAX)
                        continue;
                if (u->address_length == 0 && has_unaddressed(s, u->ifindex))
                        continue;

                *ret = s;
                return 0;
        }

        return socket_open(p, reserve, ret);
}

static int membership(const PacketUnit *u, int option) {
        struct packet_mreq mr = {
                .mr_ifindex = u->ifindex,
                .mr_type = PACKET_MR_PROMISC,
                .mr_alen = u->address_length,
        };

        memcpy(mr.mr_address, u->address, u->address_length);
        return setsockopt(u->socket->fd, SOL_PACKET, option, &mr, sizeof(mr)) < 0 ? -errno : 0;
}

int packet_pool_add(PacketPool *p, int ifindex, uint64_t id, unsigned address_length, bool reserve,
                    PacketUnit *ret) {
        PacketUnit u = { .ifindex = ifindex, .address_length = address_length >= 6 ? 6 : 0 };
        int r;

        for (unsigned i = 0; i < u.address_length; i++)
                u.address[i] = (uint8_t) (id >> (40 - 8 * i));

        r = socket_for(p, &u, reserve, &u.socket);
        if (r < 0)
                return r;

        r = membership(&u, PACKET_ADD_MEMBERSHIP);
        if (r < 0)
                return r;

        u.socket->n_units++;
        if (u.address_length == 0)
                u.socket->unaddressed[u.socket->n_unaddressed++] = ifindex;

        *ret = u;
        return 0;
}

void packet_pool_drop(PacketPool *p, PacketUnit *u) {
        PacketSocket *s = u->socket;

        if (!s)
                return;

        /* An entry that is not there is no error: PACKET_DROP_MEMBERSHIP returns 0. */
        membership(u, PACKET_DROP_MEMBERSHIP);

        s->n_units--;
        if (u->address_length == 0)
                for (unsigned i = 0; i < s->n_unaddressed; i++)
                        if (s->unaddressed[i] == u->ifindex) {
                                s->unaddressed[i] = s->unaddressed[--s->n_unaddressed];
                                break;
                        }

        /* The pool is searched from the front, which keeps it dense. */
        p->first_free = 0;
        u->socket = NULL;
}
