/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Promiscuous units of the kernel's counter, held by AF_PACKET sockets that never receive a packet (protocol 0).
 *
 * A unit is one membership entry, and an entry is (socket, ifindex, address). Sockets are shared, because close() takes
 * 12 ms each; nothing is closed before the process ends. On a device with hardware addresses of 6 bytes and more the
 * entry's address is the low 48 bits of the reference's id, so that many share a socket and PACKET_DIAG tells whose each
 * is. On others (tun) an entry can only have the empty address, so that a socket takes one for each such device. */

/* PACKET_DIAG hides a socket of more than 85 memberships, and all sockets behind it. */
#define PACKET_SOCKET_UNITS_MAX 64U
#define PACKET_SOCKETS_MAX      256U
#define PACKET_SOCKETS_ROOT     32U /* kept for UID 0: one user can take a socket for each reference on a tun */
#define PACKET_POOL_UNITS_MAX   (PACKET_SOCKET_UNITS_MAX * PACKET_SOCKETS_MAX)

typedef struct PacketPool PacketPool;
typedef struct PacketSocket PacketSocket;

/* One unit, as the kernel knows it. */
typedef struct PacketUnit {
        PacketSocket *socket; /* NULL: not held */
        int ifindex;
        uint8_t address_length; /* 6 or 0 */
        uint8_t address[6];
} PacketUnit;

int packet_pool_new(PacketPool **ret);
PacketPool *packet_pool_free(PacketPool *p);

/* Raises the counter of the device by exactly one. address_length is the device's; without reserve the last
 * PACKET_SOCKETS_ROOT sockets are not touched.
 * Errors: -ENODEV no such device; -EOVERFLOW the kernel's counter is at its end; -EUSERS all sockets are taken;
 * -EINVAL the device's address is shorter than was said; -ENOMEM, -ENOBUFS, -EMFILE, -ENFILE, -EPERM. Nothing is held
 * then. Costs: about 6 µs; up to 38 µs more where a socket is made. */
int packet_pool_add(PacketPool *p, int ifindex, uint64_t id, unsigned address_length, bool reserve,
                    PacketUnit *ret);

/* Lowers it again. Harmless when the device took the unit along as it went. */
void packet_pool_drop(PacketPool *p, PacketUnit *unit);
