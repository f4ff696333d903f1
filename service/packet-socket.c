/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd-store.h"
#include "packet-socket.h"
#include "util.h"

struct PacketSocket {
        PacketPool *pool;
        int fd;
        uint64_t inode;
        sd_event_source *storing; /* until a copy is in the store; not to be used before */
        unsigned n_units;
        /* Devices on which this socket has its one entry with the empty address. */
        int unaddressed[PACKET_SOCKET_UNITS_MAX];
        unsigned n_unaddressed;
};

struct PacketPool {
        PacketSocket *sockets[PACKET_SOCKETS_MAX];
        unsigned n_sockets;
        unsigned first_free; /* none below it has room */

        sd_event *event; /* NULL: no store */
        unsigned n_stored; /* copies there, also of sockets that are of no use here */
        void (*f)(void *userdata);
        void *userdata;
};

int packet_pool_new(sd_event *event, void (*f)(void *userdata), void *userdata, PacketPool **ret) {
        PacketPool *p = calloc(1, sizeof(PacketPool));

        if (!p)
                return -ENOMEM;
        p->event = event; /* outlives us */
        p->f = f;
        p->userdata = userdata;
        *ret = p;
        return 0;
}

PacketPool *packet_pool_free(PacketPool *p) {
        if (!p)
                return NULL;

        for (unsigned i = 0; i < p->n_sockets; i++) {
                sd_event_source_disable_unref(p->sockets[i]->storing);
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

static int get_inode(int fd, uint64_t *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = st.st_ino;
        return 0;
}

static int on_stored(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        PacketSocket *s = userdata;

        s->storing = sd_event_source_disable_unref(s->storing);
        s->pool->f(s->pool->userdata);
        return 0;
}

static unsigned sockets_max(bool reserve) {
        return PACKET_SOCKETS_MAX - (reserve ? 0 : PACKET_SOCKETS_ROOT);
}

static int store(PacketSocket *s) {
        PacketPool *p = s->pool;
        int r;

        r = fd_store_add(s->fd);
        if (r < 0)
                return r;
        p->n_stored++;
        return fd_store_confirm(p->event, on_stored, s, &s->storing);
}

static int socket_open(PacketPool *p, bool reserve, PacketSocket **ret) {
        PacketSocket *s;
        int r;

        if (p->n_sockets >= sockets_max(reserve))
                return -EUSERS;
        if (p->event && p->n_stored >= fd_store_get_max())
                return -EXFULL;

        r = check_descriptors();
        if (r < 0)
                return r;

        s = calloc(1, sizeof(PacketSocket));
        if (!s)
                return -ENOMEM;
        s->pool = p;

        /* Protocol 0: the kernel delivers nothing to it, bound or not. */
        s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = s->fd < 0 ? -errno : get_inode(s->fd, &s->inode);
        if (r >= 0 && p->event)
                r = store(s);
        if (r < 0) {
                close_fd(s->fd);
                free(s);
                return r;
        }

        p->sockets[p->n_sockets++] = s;
        *ret = s;
        return 0;
}

int packet_pool_prepare(PacketPool *p, bool reserve) {
        PacketSocket *s;

        for (unsigned i = 0; i < p->n_sockets; i++)
                if (p->sockets[i]->n_units == 0)
                        return 0;

        return socket_open(p, reserve, &s);
}

static bool has_unaddressed(const PacketSocket *s, int ifindex) {
        for (unsigned i = 0; i < s->n_unaddressed; i++)
                if (s->unaddressed[i] == ifindex)
                        return true;
        return false;
}

static int socket_for(PacketPool *p, const PacketUnit *u, bool reserve, PacketSocket **ret) {
        bool soon = false;
        int r;

        while (p->first_free < p->n_sockets && p->sockets[p->first_free]->n_units == PACKET_SOCKET_UNITS_MAX)
                p->first_free++;

        for (unsigned i = p->first_free; i < p->n_sockets && i < sockets_max(reserve); i++) {
                PacketSocket *s = p->sockets[i];

                if (s->n_units == PACKET_SOCKET_UNITS_MAX)
                        continue;
                if (u->address_length == 0 && has_unaddressed(s, u->ifindex))
                        continue;
                if (s->storing) {
                        soon = true;
                        continue;
                }

                *ret = s;
                return 0;
        }

        r = soon ? 0 : socket_open(p, reserve, ret);
        return r < 0 ? r : p->event ? -EAGAIN : 0;
}

static int membership(int fd, int option, int ifindex, const uint8_t *address, uint8_t length) {
        struct packet_mreq mr = {
                .mr_ifindex = ifindex,
                .mr_type = PACKET_MR_PROMISC,
                .mr_alen = length,
        };

        memcpy(mr.mr_address, address, length);
        return setsockopt(fd, SOL_PACKET, option, &mr, sizeof(mr)) < 0 ? -errno : 0;
}

static PacketUnit make_unit(int ifindex, uint64_t id, uint8_t address_length) {
        PacketUnit u = { .ifindex = ifindex, .address_length = address_length };

        for (unsigned i = 0; i < address_length; i++)
                u.address[i] = (uint8_t) (id >> (40 - 8 * i));
        return u;
}

static void book_unit(PacketSocket *s, PacketUnit *u) {
        u->socket = s;
        s->n_units++;
        if (u->address_length == 0)
                s->unaddressed[s->n_unaddressed++] = u->ifindex;
}

int packet_pool_book(PacketPool *p, int ifindex, uint64_t id, unsigned address_length, bool reserve,
                     PacketUnit *ret) {
        PacketUnit u = make_unit(ifindex, id, address_length >= 6 ? 6 : 0);
        PacketSocket *s;
        int r;

        r = socket_for(p, &u, reserve, &s);
        if (r < 0)
                return r;

        book_unit(s, &u);
        *ret = u;

        /* If there cannot be one, the next who needs it is told. */
        if (p->event)
                packet_pool_prepare(p, reserve);
        return 0;
}

int packet_unit_take(const PacketUnit *u) {
        return membership(u->socket->fd, PACKET_ADD_MEMBERSHIP, u->ifindex, u->address, u->address_length);
}

static PacketSocket *find_socket(const PacketPool *p, uint64_t inode) {
        for (unsigned i = 0; i < p->n_sockets; i++)
                if (p->sockets[i]->inode == inode)
                        return p->sockets[i];
        return NULL;
}

bool packet_pool_has(const PacketPool *p, uint64_t inode) {
        return find_socket(p, inode);
}

uint64_t packet_unit_get_inode(const PacketUnit *u) {
        return u->socket->inode;
}

int packet_pool_adopt(PacketPool *p, int fd) {
        int domain = 0, protocol = -1, r = -EINVAL;
        socklen_t length = sizeof(int);
        PacketSocket *s;

        p->n_stored++;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_PACKET ||
            getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) < 0 || protocol != 0 ||
            p->n_sockets == PACKET_SOCKETS_MAX)
                goto fail;

        r = -ENOMEM;
        s = calloc(1, sizeof(PacketSocket));
        if (!s)
                goto fail;

        s->pool = p;
        s->fd = fd;
        r = get_inode(fd, &s->inode);
        if (r < 0) {
                free(s);
                goto fail;
        }

        p->sockets[p->n_sockets++] = s;
        return 0;

fail:
        close_fd(fd);
        return r;
}

int packet_pool_restore(PacketPool *p, uint64_t inode, int ifindex, uint64_t id, uint8_t address_length,
                        PacketUnit *ret) {
        PacketUnit u = make_unit(ifindex, id, address_length);
        PacketSocket *s = find_socket(p, inode);

        if (!s)
                return -ENOENT;
        if (s->n_units == PACKET_SOCKET_UNITS_MAX || (address_length == 0 && has_unaddressed(s, ifindex)))
                return -ENOSPC;

        book_unit(s, &u);
        *ret = u;
        return 0;
}

void packet_pool_drop_entry(PacketPool *p, uint64_t inode, int ifindex, const uint8_t *address, uint8_t length) {
        PacketSocket *s = find_socket(p, inode);

        if (s && length <= sizeof(((struct packet_mreq *) NULL)->mr_address))
                membership(s->fd, PACKET_DROP_MEMBERSHIP, ifindex, address, length);
}

void packet_pool_drop(PacketPool *p, PacketUnit *u) {
        PacketSocket *s = u->socket;

        if (!s)
                return;

        /* An entry that is not there is no error: PACKET_DROP_MEMBERSHIP returns 0. */
        membership(s->fd, PACKET_DROP_MEMBERSHIP, u->ifindex, u->address, u->address_length);

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
