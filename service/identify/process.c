/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "process.h"
#include "util.h"

/* proc_pid_stat(5) counts its fields from 1; the command is the second. */
#define FIELD_STATE     3
#define FIELD_STARTTIME 22

int process_parse_stat(const char *text, uint64_t ticks_per_second, char ret_command[static IDENTIFY_COMMAND_MAX + 1],
                       uint64_t *ret_started_usec) {
        /* A command is any bytes, parentheses and newlines among them; what follows it has no parenthesis. */
        const char *begin = strchr(text, '('), *end = strrchr(text, ')'), *p;
        unsigned long long ticks;
        size_t length;
        char *after;

        if (!begin || !end || end < begin || end[1] != ' ')
                return -EBADMSG;

        p = end + 2;
        for (unsigned field = FIELD_STATE; field < FIELD_STARTTIME; field++) {
                p = strchr(p, ' ');
                if (!p)
                        return -EBADMSG;
                p++;
        }
        if (*p < '0' || *p > '9')
                return -EBADMSG;
        errno = 0;
        ticks = strtoull(p, &after, 10);
        if (errno != 0 || (*after != ' ' && *after != '\n') || ticks > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;

        /* Those of kernel threads can be longer. */
        length = (size_t) (end - begin) - 1;
        if (length > IDENTIFY_COMMAND_MAX)
                length = IDENTIFY_COMMAND_MAX;
        memcpy(ret_command, begin + 1, length);
        ret_command[length] = '\0';
        *ret_started_usec = ticks * USEC_PER_SEC / ticks_per_second;
        return 0;
}

static int read_stat(int process_fd, char *buffer, size_t size) {
        _cleanup_(close_fdp) int fd = openat(process_fd, "stat", O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        if (n < 0)
                return -errno;
        buffer[n] = '\0';
        return 0;
}

static void read_unit(uint32_t pid, char ret[static IDENTIFY_UNIT_MAX + 1]) {
        _cleanup_(freep) char *unit = NULL;

        ret[0] = '\0';
        if (sd_pid_get_unit((pid_t) pid, &unit) >= 0 && identify_unit_is_valid(unit))
                strcpy(ret, unit);
}

int process_describe(int process_fd, uint32_t pid, IdentifyRecord *ret) {
        char stat[2048];
        IdentifyRecord record;
        int r;

        /* The unit is looked up by the number, which is given to another process once this one is gone. The descriptor
         * is bound to the process (the kernel keeps its struct pid): if stat can still be read, the number was its own
         * until now. */
        read_unit(pid, record.unit);
        r = read_stat(process_fd, stat, sizeof(stat));
        if (r >= 0)
                r = process_parse_stat(stat, (uint64_t) sysconf(_SC_CLK_TCK), record.command, &record.started_usec);
        if (r < 0)
                return r;

        memcpy(ret->command, record.command, sizeof(ret->command));
        memcpy(ret->unit, record.unit, sizeof(ret->unit));
        ret->started_usec = record.started_usec;
        return 0;
}
