/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promisc-names.h"
#include "text.h"

static void print(const char *why, const char *format, va_list ap) _printf_(2, 0);

static void print(const char *why, const char *format, va_list ap) {
        _cleanup_free_ char *what = NULL, *what_escaped = NULL, *why_escaped = NULL;

        if (vasprintf(&what, format, ap) < 0) {
                what = NULL;
                return;
        }
        if (text_escape(what, &what_escaped) < 0 || (why && text_escape(why, &why_escaped) < 0))
                return;

        /* What is on stdout comes first. */
        fflush(stdout);
        fprintf(stderr, "promiscctl: %s%s%s\n", what_escaped, why ? ": " : "", why ? why_escaped : "");
}

void message(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print(NULL, format, ap);
        va_end(ap);
}

int message_error(int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print(strerror(abs(r)), format, ap);
        va_end(ap);
        return r;
}

static const char *explain_error(const sd_bus_error *error, int r) {
        if (!error || !sd_bus_error_is_set(error))
                return strerror(abs(r));
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN)) /* nor could the bus start it */
                return "promiscd is not on the bus; is promisc.service running?";
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return "promiscd is not running (nobody owns " PROMISC_BUS_NAME " on the bus)";
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                return "promiscd left without an answer or took too long";
        if (error->message && *error->message)
                return error->message;
        return error->name;
}

int message_bus_error(const sd_bus_error *error, int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print(explain_error(error, r), format, ap);
        va_end(ap);
        return r;
}
