/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "text.h"

static void put_string(Json *j, const char *s) {
        fputc('"', j->file);
        while (*s) {
                uint32_t c = 0;
                int n = text_decode(s, &c);

                if (n < 0) { /* JSON is UTF-8: the replacement character, as decoders do */
                        fputs("\\ufffd", j->file);
                        n = 1;
                } else if (c == '"' || c == '\\')
                        fprintf(j->file, "\\%c", (char) c);
                else if (c == '\n')
                        fputs("\\n", j->file);
                else if (c == '\t')
                        fputs("\\t", j->file);
                else if (text_is_printable(c))
                        fwrite(s, 1, (size_t) n, j->file);
                else if (c < 0x10000)
                        fprintf(j->file, "\\u%04" PRIx32, c);
                else
                        fprintf(j->file, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + (c & 0x3ff));
                s += n;
        }
        fputc('"', j->file);
}

static void new_line(Json *j) {
        if (!j->pretty)
                return;
        fputc('\n', j->file);
        for (unsigned i = 0; i < j->depth; i++)
                fputc('\t', j->file);
}

/* Everything that stands before a value. */
static void begin(Json *j, const char *key) {
        if (j->filled)
                fputc(',', j->file);
        if (j->depth > 0)
                new_line(j);
        if (key) {
                put_string(j, key);
                fputs(j->pretty ? " : " : ":", j->file);
        }
        j->filled = true;
}

static void open_container(Json *j, const char *key, bool array) {
        assert(j->depth < JSON_DEPTH_MAX);

        begin(j, key);
        fputc(array ? '[' : '{', j->file);
        if (array)
                j->arrays |= UINT64_C(1) << j->depth;
        else
                j->arrays &= ~(UINT64_C(1) << j->depth);
        j->depth++;
        j->filled = false;
}

void json_init(Json *j, FILE *file, bool pretty) {
        *j = (Json){ .file = file, .pretty = pretty };
}

void json_object(Json *j, const char *key) {
        open_container(j, key, false);
}

void json_array(Json *j, const char *key) {
        open_container(j, key, true);
}

void json_end(Json *j) {
        assert(j->depth > 0);

        j->depth--;
        if (j->filled)
                new_line(j);
        fputc(j->arrays >> j->depth & 1 ? ']' : '}', j->file);
        j->filled = j->depth > 0;
        if (j->depth == 0)
                fputc('\n', j->file);
}

void json_string(Json *j, const char *key, const char *value) {
        begin(j, key);
        put_string(j, value);
}

void json_unsigned(Json *j, const char *key, uint64_t value) {
        begin(j, key);
        fprintf(j->file, "%" PRIu64, value);
}

void json_bool(Json *j, const char *key, bool value) {
        begin(j, key);
        fputs(value ? "true" : "false", j->file);
}

void json_null(Json *j, const char *key) {
        begin(j, key);
        fputs("null", j->file);
}
