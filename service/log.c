/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "log.h"

static int max_level = LOG_INFO;

void log_set_max_level(int level) {
        max_level = level;
}

/* $JOURNAL_STREAM is "device:inode" of the stream that systemd gave: systemd.exec(5). */
static bool stderr_is_journal(void) {
        static int cached = -1;
        unsigned long long device, inode;
        const char *e;
        struct stat st;

        if (cached < 0) {
                e = getenv("JOURNAL_STREAM");
                cached = e && sscanf(e, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
                        st.st_dev == device && st.st_ino == inode;
        }

        return cached;
}

static void add_field(struct iovec *iov, int *n, char **field, int length) {
        if (length < 0) {
                *field = NULL;
                return;
        }
        iov[(*n)++] = (struct iovec){ .iov_base = *field, .iov_len = (size_t) length };
}

static void log_journal(int priority, const LogContext *c, const char *text) {
        _cleanup_(freep) char *message = NULL, *level = NULL, *interface = NULL, *reference = NULL, *id = NULL;
        _cleanup_(freep) char *holders = NULL;
        struct iovec iov[6];
        int n = 0;

        add_field(iov, &n, &message, asprintf(&message, "MESSAGE=%s", text));
        add_field(iov, &n, &level, asprintf(&level, "PRIORITY=%i", priority));
        if (c && c->interface)
                add_field(iov, &n, &interface, asprintf(&interface, "PROMISC_INTERFACE=%s", c->interface));
        if (c && c->reference > 0)
                add_field(iov, &n, &reference, asprintf(&reference, "PROMISC_REFERENCE=%" PRIu64, c->reference));
        if (c && c->message_id)
                add_field(iov, &n, &id, asprintf(&id, "MESSAGE_ID=%s", c->message_id));
        if (c && c->holders)
                add_field(iov, &n, &holders, asprintf(&holders, "PROMISC_HOLDERS=%s", c->holders));

        sd_journal_sendv(iov, n);
}

void log_line(int priority, const LogContext *context, const char *format, ...) {
        char text[1024];
        va_list ap;

        if (priority > max_level)
                return;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        if (stderr_is_journal())
                log_journal(priority, context, text);
        else if (context && context->interface)
                fprintf(stderr, "%s: %s\n", context->interface, text);
        else
                fprintf(stderr, "%s\n", text);
}
