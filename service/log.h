/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "util.h"

/* Message ids of what an administrator searches for. */
#define LOG_ID_ACQUIRED "d3e6a8f0b1c54c3e9a7d5f2e84c1b690"
#define LOG_ID_RELEASED "5b0c7f1d9e2a4a86b3f4c8d17e6029aa"
#define LOG_ID_STARTED  "0f3e5c1b7a9d4d3c8e6f21b0a4c7d985"
#define LOG_ID_STOPPED  "c7a1d94e6b2f4f0b9d8e35a7106fc2be"

/* Context of a line: becomes journal fields. NULL and 0 for what does not apply. */
typedef struct LogContext {
        const char *interface; /* escaped name: PROMISC_INTERFACE= */
        uint64_t reference;    /* PROMISC_REFERENCE= */
        const char *message_id; /* one of those above; promiscd.catalog explains them */
        const char *holders;    /* PROMISC_HOLDERS= */
} LogContext;

/* What is less important is not written; LOG_INFO until set otherwise. */
void log_set_max_level(int level);

/* One line, to the journal with its fields where stderr is the journal's stream, else to stderr. */
void log_line(int priority, const LogContext *context, const char *format, ...) _printf_(3, 4);

#define log_error(...)   log_line(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, NULL, __VA_ARGS__)

/* About one interface, by its escaped name. */
#define log_link(priority, name, ...) log_line(priority, &(const LogContext){ .interface = (name) }, __VA_ARGS__)
