/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The two flag views that are not in netlink messages, each read from its own source. Synchronous and cheap: sysfs and
 * ioctl() answer from memory. */

typedef struct Views {
        int class_fd; /* /sys/class/net */
        int ioctl_fd; /* an AF_UNIX socket: SIOCGIFFLAGS works on every family, so AF_INET may stay forbidden */
} Views;

#define VIEWS_NONE ((Views){ .class_fd = -1, .ioctl_fd = -1 })

/* Errors: those of open() on /sys/class/net and of socket(). */
int views_open(Views *ret);
void views_close(Views *v);

/* dev->flags, as /sys/class/net/NAME/flags has it: the kernel's truth. The directory is opened once by name, and what is
 * read through the handle counts only if its ifindex is the one that was asked for.
 * Errors: -ENODEV if no link of that name, or another one, is there (a rename or removal on its way). */
int views_read_sysfs(const Views *v, const char *name, int ifindex, uint32_t *ret_flags);

/* The 16 bits of SIOCGIFFLAGS, what ifconfig prints. The ioctl goes by name: the name is held against the ifindex before
 * and after. Errors: -ENODEV as above. */
int views_read_ioctl(const Views *v, const char *name, int ifindex, uint32_t *ret_flags);

/* A handle of exactly this device: it follows renames and is dead once the device is gone, whatever comes back under its
 * name or index. Errors: as views_read_sysfs(). */
int views_open_identity(const Views *v, const char *name, int ifindex, int *ret_fd);

/* Whether the device of the handle is still there and has that ifindex. */
int views_check_identity(int fd, int ifindex);

/* The index that sysfs has for that name. Errors: as views_read_sysfs(). */
int views_read_ifindex(const Views *v, const char *name, uint32_t *ret);

/* Whether sysfs says that the device of the first name is below that of the second: "upper_NAME", where rtnetlink is silent. */
bool views_has_upper(const Views *v, const char *name, const char *upper);

/* Calls f for each link that sysfs shows, until one call returns non-zero; that is then returned. */
int views_each_name(const Views *v, int (*f)(const char *name, void *userdata), void *userdata);
