/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What packet sockets hold, as the kernel lists it (NETLINK_SOCK_DIAG, PACKET_SHOW_MCLIST). */

typedef struct PacketEntry {
        uint32_t inode; /* of the socket */
        int ifindex;    /* 0: the socket is there, and this entry says no more */
        uint8_t address_length;
        uint8_t address[32];
} PacketEntry;

/* Calls f for each packet socket of this network namespace, with ifindex 0, and then for each of its promiscuous entries,
 * until it returns non-zero, which is then returned if it is negative. A socket with more than 737 entries, and all after it, are not listed.
 * Synchronous; for the start. Errors: those of netlink; -EBADMSG. */
int packet_diag_each(int (*f)(const PacketEntry *e, void *userdata), void *userdata);

/* Reads one answer. Pure. Errors: -EBADMSG; else as packet_diag_each(). */
struct nlmsghdr;
int packet_diag_parse(const struct nlmsghdr *h, int (*f)(const PacketEntry *e, void *userdata), void *userdata);
