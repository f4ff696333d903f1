/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "directory.h"
#include "util.h"
#include "views.h"

int views_open(Views *ret) {
        Views v = VIEWS_NONE;
        int r;

        v.class_fd = open("/sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (v.class_fd < 0)
                return -errno;

        v.ioctl_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (v.ioctl_fd < 0) {
                r = -errno;
                close_fd(v.class_fd);
                return r;
        }

        *ret = v;
        return 0;
}

void views_close(Views *v) {
        v->class_fd = close_fd(v->class_fd);
        v->ioctl_fd = close_fd(v->ioctl_fd);
}

/* What says that the device is gone, by whichever step it is found out. */
static int device_error(int e) {
        return e == ENOENT || e == ENOTDIR || e == ENODEV || e == EINVAL ? -ENODEV : -e;
}

/* One unsigned number, decimal or with 0x, as sysfs prints it. */
static int read_number(int dir_fd, const char *attribute, uint32_t *ret) {
        _cleanup_(close_fdp) int fd = -1;
        unsigned long v;
        char buf[32], *end;
        ssize_t n;

        fd = openat(dir_fd, attribute, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return device_error(errno);

        n = read(fd, buf, sizeof(buf) - 1);
        if (n < 0)
                return device_error(errno);
        buf[n] = '\0';

        errno = 0;
        v = strtoul(buf, &end, 0);
        if (end == buf || *end != '\n' || errno || v > UINT32_MAX)
                return -EIO;

        *ret = (uint32_t) v;
        return 0;
}

bool views_has_upper(const Views *v, const char *name, const char *upper) {
        char path[2 * IF_NAMESIZE + sizeof("/upper_")];

        snprintf(path, sizeof(path), "%s/upper_%s", name, upper);
        return faccessat(v->class_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

int views_check_identity(int fd, int ifindex) {
        uint32_t index = 0;
        int r = read_number(fd, "ifindex", &index);

        if (r < 0)
                return r;
        return index == (uint32_t) ifindex ? 0 : -ENODEV;
}

int views_open_identity(const Views *v, const char *name, int ifindex, int *ret_fd) {
        _cleanup_(close_fdp) int fd = -1;
        int r;

        fd = openat(v->class_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return device_error(errno);

        r = views_check_identity(fd, ifindex);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

int views_read_sysfs(const Views *v, const char *name, int ifindex, uint32_t *ret_flags) {
        _cleanup_(close_fdp) int fd = -1;
        int r;

        r = views_open_identity(v, name, ifindex, &fd);
        if (r < 0)
                return r;

        return read_number(fd, "flags", ret_flags);
}

int views_read_ifindex(const Views *v, const char *name, uint32_t *ret) {
        _cleanup_(close_fdp) int fd = openat(v->class_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? device_error(errno) : read_number(fd, "ifindex", ret);
}

static int check_ioctl_index(const Views *v, const char *name, int ifindex) {
        struct ifreq ifr = {};

        strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
        if (ioctl(v->ioctl_fd, SIOCGIFINDEX, &ifr) < 0)
                return device_error(errno);
        return ifr.ifr_ifindex == ifindex ? 0 : -ENODEV;
}

int views_read_ioctl(const Views *v, const char *name, int ifindex, uint32_t *ret_flags) {
        struct ifreq ifr = {};
        int r;

        r = check_ioctl_index(v, name, ifindex);
        if (r < 0)
                return r;

        strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
        if (ioctl(v->ioctl_fd, SIOCGIFFLAGS, &ifr) < 0)
                return device_error(errno);

        r = check_ioctl_index(v, name, ifindex);
        if (r < 0)
                return r;

        *ret_flags = (uint16_t) ifr.ifr_flags;
        return 0;
}

typedef struct EachName {
        int (*f)(const char *name, void *userdata);
        void *userdata;
} EachName;

/* Links are symlinks here; the bonding module's control file is not. */
static int each_name(const struct dirent *de, void *userdata) {
        EachName *e = userdata;

        return de->d_type == DT_LNK ? e->f(de->d_name, e->userdata) : 0;
}

int views_each_name(const Views *v, int (*f)(const char *name, void *userdata), void *userdata) {
        return directory_each(v->class_fd, each_name, &(EachName){ f, userdata });
}
