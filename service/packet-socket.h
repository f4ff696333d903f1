/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

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

/* Where there is a descriptor store, a socket is used only once its copy is in there, so that no unit is lost with this
 * process; f is called when another one is. event is NULL where there is none, or none is to be used. */
int packet_pool_new(sd_event *event, void (*f)(void *userdata), void *userdata, PacketPool **ret);
PacketPool *packet_pool_free(PacketPool *p);

/* Has a socket made ready for later, if none is. reserve and errors: as packet_pool_book(). */
int packet_pool_prepare(PacketPool *p, bool reserve);

/* Takes over a socket of a former process, which owned it until now. Errors: -EINVAL if it is no packet socket; the
 * descriptor is closed then. */
int packet_pool_adopt(PacketPool *p, int fd);

/* What a former process held on a socket that was taken over. Errors: -ENOENT no socket has that inode; -ENOSPC it is full. */
int packet_pool_restore(PacketPool *p, uint64_t inode, int ifindex, uint64_t id, uint8_t address_length,
                        PacketUnit *ret);

/* Whether one of the sockets has that inode. */
bool packet_pool_has(const PacketPool *p, uint64_t inode);

/* Drops an entry that no unit stands for. */
void packet_pool_drop_entry(PacketPool *p, uint64_t inode, int ifindex, const uint8_t *address, uint8_t length);

/* Finds room for one more unit on that device, and takes nothing yet. address_length is the device's; without reserve the
 * last PACKET_SOCKETS_ROOT sockets are not touched.
 * Errors: -EAGAIN no socket has room, but one will soon be ready; -EUSERS all sockets are taken; -EXFULL the store is full;
 * -ENOMEM, -ENOBUFS, -EMFILE, -ENFILE, -EPERM; those of fd_store_add(). Costs: up to 38 µs where a socket is made. */
int packet_pool_book(PacketPool *p, int ifindex, uint64_t id, unsigned address_length, bool reserve, PacketUnit *ret);

/* Raises the counter of the device by exactly one. Errors: -ENODEV no such device; -EOVERFLOW the kernel's counter is at its
 * end; -EINVAL the device's address is shorter than was said; -ENOMEM, -ENOBUFS. Nothing is taken then, and
 * packet_pool_drop() is due all the same. Costs: about 6 µs. */
int packet_unit_take(const PacketUnit *unit);

/* The inode of the socket that holds it. */
uint64_t packet_unit_get_inode(const PacketUnit *unit);

/* Lowers it again, and gives the room back. Harmless when the device took the unit along as it went. */
void packet_pool_drop(PacketPool *p, PacketUnit *unit);
