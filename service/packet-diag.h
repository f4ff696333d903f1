/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "netlink-dump.h"

/* What packet sockets hold, as the kernel lists it (NETLINK_SOCK_DIAG, PACKET_SHOW_MCLIST). One entry of type
 * PACKET_MR_PROMISC is one unit of the device's counter, whatever its own count. */

typedef struct PacketEntry {
        uint32_t inode; /* of the socket */
        uid_t uid;      /* of who opened it */
        int ifindex;    /* 0: the socket is there, and this entry says no more */
        uint8_t address_length;
        uint8_t address[32];
} PacketEntry;

typedef int (*packet_diag_handler_t)(const PacketEntry *e, void *userdata);

/* Calls f for each packet socket of this network namespace, oldest first, with ifindex 0, and then for each of its
 * promiscuous entries, until it returns non-zero, which is then returned if it is negative. A socket with more than 737
 * entries, and all after it, are not listed: packet_diag_each_socket() has them all the same, without entries.
 * d is of NETLINK_SOCK_DIAG. Errors: those of netlink_dump_run(); -EBADMSG.
 * Costs: two system calls and 1 µs a socket where there are few. */
int packet_diag_each(NetlinkDump *d, packet_diag_handler_t f, void *userdata);
int packet_diag_each_socket(NetlinkDump *d, packet_diag_handler_t f, void *userdata);

/* Reads one answer. Pure. Errors: -EBADMSG; else as packet_diag_each(). */
int packet_diag_parse(const struct nlmsghdr *h, packet_diag_handler_t f, void *userdata);
