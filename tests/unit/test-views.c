/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "views.h"

/* A /sys/class/net of our own making. Devices are directories beside it, links to them inside, as in the
 * real one. */
typedef struct Sysfs {
        char path[32];
        int fd;
        Views views;
} Sysfs;

static void write_file(int directory, const char *name, const char *content) {
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, content, strlen(content)), strlen(content));
        close(fd);
}

static void put_device(Sysfs *s, const char *device, const char *ifindex, const char *flags) {
        int fd;

        if (mkdirat(s->fd, device, 0700) < 0)
                assert_int_equal(errno, EEXIST);
        fd = openat(s->fd, device, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_return_code(fd, errno);
        write_file(fd, "ifindex", ifindex);
        write_file(fd, "flags", flags);
        close(fd);
}

static void put_link(Sysfs *s, const char *name, const char *device) {
        char target[64];

        snprintf(target, sizeof(target), "../%s", device);
        assert_return_code(symlinkat(target, s->views.class_fd, name), errno);
}

static int setup(void **state) {
        Sysfs *s = test_calloc(1, sizeof(Sysfs));

        strcpy(s->path, "/tmp/test-views-XXXXXX");
        assert_non_null(mkdtemp(s->path));
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_return_code(s->fd, errno);
        assert_return_code(mkdirat(s->fd, "net", 0700), errno);
        s->views = VIEWS_NONE;
        s->views.class_fd = openat(s->fd, "net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_return_code(s->views.class_fd, errno);

        put_device(s, "device-7", "7\n", "0x1103\n");
        put_link(s, "eth0", "device-7");
        *state = s;
        return 0;
}

static int teardown(void **state) {
        static const char *const files[] = { "device-7/ifindex",   "device-7/flags", "device-8/ifindex",
                                             "device-8/flags",     "net/eth0",       "net/wan0",
                                             "net/bonding_masters" };
        static const char *const directories[] = { "device-7", "device-8", "net" };
        Sysfs *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                unlinkat(s->fd, files[i], 0);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                unlinkat(s->fd, directories[i], AT_REMOVEDIR);
        views_close(&s->views);
        close(s->fd);
        assert_return_code(rmdir(s->path), errno); /* nothing was forgotten */
        test_free(s);
        return 0;
}

static void test_sysfs(void **state) {
        Sysfs *s = *state;
        uint32_t flags = 1;

        assert_int_equal(views_read_sysfs(&s->views, "eth0", 7, &flags), 0);
        assert_int_equal(flags, 0x1103);

        /* Another device is there under that name, or none. */
        flags = 1;
        assert_int_equal(views_read_sysfs(&s->views, "eth0", 8, &flags), -ENODEV);
        assert_int_equal(views_read_sysfs(&s->views, "eth1", 7, &flags), -ENODEV);
        assert_int_equal(flags, 1);
}

static void test_sysfs_content(void **state) {
        static const struct {
                const char *content;
                uint32_t value;
                int expected;
        } cases[] = {
                { "0x0\n", 0, 0 },
                { "0x1103\n", 0x1103, 0 },
                { "0xffffffff\n", UINT32_MAX, 0 },
                { "12\n", 12, 0 },
                { "0x100000000\n", 1, -EIO },
                { "99999999999999999999999999\n", 1, -EIO },
                { "0x1103", 1, -EIO }, /* not all of it */
                { "", 1, -EIO },
                { "\n", 1, -EIO },
                { "up\n", 1, -EIO },
                { "0x11 up\n", 1, -EIO },
                { "0x111111111111111111111111111111111111111111111\n", 1, -EIO },
        };
        Sysfs *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t flags = 1;

                put_device(s, "device-7", "7\n", cases[i].content);
                assert_case(views_read_sysfs(&s->views, "eth0", 7, &flags) == cases[i].expected, "%s",
                            cases[i].content);
                assert_case(flags == cases[i].value, "%s", cases[i].content);
        }

        put_device(s, "device-7", "seven\n", "0x1103\n");
        assert_int_equal(views_read_sysfs(&s->views, "eth0", 7, &(uint32_t){ 0 }), -EIO);
}

static void test_identity(void **state) {
        Sysfs *s = *state;
        int fd = -1;

        assert_int_equal(views_open_identity(&s->views, "eth0", 8, &fd), -ENODEV);
        assert_int_equal(views_open_identity(&s->views, "eth1", 7, &fd), -ENODEV);
        assert_int_equal(fd, -1);
        assert_int_equal(views_open_identity(&s->views, "eth0", 7, &fd), 0);
        assert_int_equal(views_check_identity(fd, 7), 0);
        assert_int_equal(views_check_identity(fd, 8), -ENODEV);

        /* A rename takes the name away, not the device. */
        assert_return_code(renameat(s->views.class_fd, "eth0", s->views.class_fd, "wan0"), errno);
        assert_int_equal(views_check_identity(fd, 7), 0);

        /* Another device of the same name and index is not this one. */
        assert_return_code(unlinkat(s->fd, "device-7/ifindex", 0), errno);
        assert_return_code(unlinkat(s->fd, "device-7/flags", 0), errno);
        assert_return_code(unlinkat(s->fd, "device-7", AT_REMOVEDIR), errno);
        put_device(s, "device-7", "7\n", "0x1003\n");
        assert_int_equal(views_check_identity(fd, 7), -ENODEV);
        close(fd);
}

typedef struct Names {
        unsigned n;
        char text[64];
        int returned;
} Names;

static int on_name(const char *name, void *userdata) {
        Names *n = userdata;

        strcat(n->text, name);
        n->n++;
        return n->returned;
}

static void test_each_name(void **state) {
        Sysfs *s = *state;
        Names names = {};

        write_file(s->views.class_fd, "bonding_masters", "\n");
        assert_int_equal(views_each_name(&s->views, on_name, &names), 0);
        assert_string_equal(names.text, "eth0");

        put_device(s, "device-8", "8\n", "0x0\n");
        put_link(s, "wan0", "device-8");
        names = (Names){};
        assert_int_equal(views_each_name(&s->views, on_name, &names), 0);
        assert_int_equal(names.n, 2);
        names = (Names){ .returned = 42 };
        assert_int_equal(views_each_name(&s->views, on_name, &names), 42);
        assert_int_equal(names.n, 1);
}

/* lo is everywhere; that of the real kernel is not ours to change. */
static void test_ioctl(void **state) {
        int index = (int) if_nametoindex("lo");
        uint32_t flags = 1;
        Views v;

        assert_true(index > 0);
        assert_int_equal(views_open(&v), 0);
        assert_int_equal(views_read_ioctl(&v, "lo", index + 1, &flags), -ENODEV);
        assert_int_equal(views_read_ioctl(&v, "no-such-link", index, &flags), -ENODEV);
        assert_int_equal(flags, 1);
        assert_int_equal(views_read_ioctl(&v, "lo", index, &flags), 0);
        assert_true(flags & IFF_LOOPBACK);
        assert_int_equal(flags & ~0xffffU, 0);
        views_close(&v);
        assert_int_equal(v.class_fd, -1);
        assert_int_equal(v.ioctl_fd, -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_sysfs, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sysfs_content, setup, teardown),
                cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
                cmocka_unit_test_setup_teardown(test_each_name, setup, teardown),
                cmocka_unit_test(test_ioctl),
        };

        return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
