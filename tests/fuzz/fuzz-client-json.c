/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <inttypes.h>

#include "json.h"
#include "utf8-check.h"

/* The input is a list of calls. What is written is read again by a reader of RFC 8259, and both keep a trace
 * of what they had: the two must be the same. */

typedef struct Input {
        const uint8_t *data;
        size_t left;
} Input;

typedef struct Reader {
        const char *p;
        bool pretty;
        FILE *trace;
} Reader;

static char *take_string(Input *in) {
        char *s = fuzz_string(in->data, in->left);
        size_t n = strlen(s);

        n += n < in->left;
        in->data += n;
        in->left -= n;
        return s;
}

/* What JSON can carry of it: each byte that is of no character is U+FFFD. */
static void trace_string(FILE *trace, const char *s) {
        uint32_t c;

        for (size_t n; *s; s += n > 0 ? n : 1) {
                n = utf8_check(s, &c);
                if (n > 0)
                        fwrite(s, 1, n, trace);
                else
                        fputs("\357\277\275", trace);
        }
        fputc('\0', trace);
}

static void write_value(Json *j, Input *in, FILE *trace, unsigned op, const char *key) {
        uint64_t n = 0;
        char *s;

        switch (op) {
        case 0:
        case 1:
                fputc(op == 0 ? '{' : '[', trace);
                (op == 0 ? json_object : json_array)(j, key);
                break;
        case 2:
                s = take_string(in);
                fputc('"', trace);
                trace_string(trace, s);
                json_string(j, key, s);
                free(s);
                break;
        case 3:
                for (int i = 0; i < 8 && in->left > 0; i++, in->left--)
                        n = n << 8 | *in->data++;
                fprintf(trace, "%" PRIu64 ",", n);
                json_unsigned(j, key, n);
                break;
        case 4:
        case 5:
                fputs(op == 4 ? "false" : "true", trace);
                json_bool(j, key, op == 5);
                break;
        default:
                fputs("null", trace);
                json_null(j, key);
        }
}

static void end(Json *j, FILE *trace, const uint8_t *kinds) {
        fputc(kinds[j->depth - 1] == 0 ? '}' : ']', trace);
        json_end(j);
}

static void write_all(Json *j, Input *in, FILE *trace) {
        uint8_t kinds[JSON_DEPTH_MAX] = {}; /* 0 object, 1 array */

        write_value(j, in, trace, 0, NULL);
        while (in->left > 0 && j->depth > 0) {
                unsigned op = *in->data++ % 8;
                char *key = NULL;

                in->left--;
                if (op == 7) {
                        end(j, trace, kinds);
                        continue;
                }
                if (op <= 1 && j->depth == JSON_DEPTH_MAX)
                        continue;
                if (kinds[j->depth - 1] == 0) {
                        key = take_string(in);
                        trace_string(trace, key);
                }
                if (op <= 1)
                        kinds[j->depth] = (uint8_t) op;
                write_value(j, in, trace, op, key);
                free(key);
        }
        while (j->depth > 0)
                end(j, trace, kinds);
}

static void skip_space(Reader *r) {
        while (r->pretty && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t'))
                r->p++;
}

static void read_literal(Reader *r, const char *literal) {
        must(strncmp(r->p, literal, strlen(literal)) == 0);
        r->p += strlen(literal);
        fputs(literal, r->trace);
}

static uint32_t read_hex(Reader *r) {
        uint32_t c = 0;

        for (int i = 0; i < 4; i++) {
                static const char digits[] = "0123456789abcdef";
                const char *digit = *r->p ? strchr(digits, *r->p) : NULL;

                must(digit);
                c = c << 4 | (uint32_t) (digit - digits);
                r->p++;
        }
        return c;
}

static void read_escape(Reader *r) {
        static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        const char *letter;
        char utf8[4];
        uint32_t c;

        if (*r->p != 'u') {
                must(*r->p && (letter = strchr(letters, *r->p)));
                fputc(meant[letter - letters], r->trace);
                r->p++;
                return;
        }

        r->p++;
        c = read_hex(r);
        if (c >= 0xd800 && c <= 0xdbff) {
                uint32_t low;

                must(r->p[0] == '\\' && r->p[1] == 'u');
                r->p += 2;
                low = read_hex(r);
                must(low >= 0xdc00 && low <= 0xdfff);
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
        must(c != 0 && is_character(c));
        fwrite(utf8, 1, utf8_encode(c, utf8), r->trace);
}

/* Also a terminal may be shown it: no control and no format character stands there as it is. */
static void read_string(Reader *r) {
        must(*r->p++ == '"');
        while (*r->p != '"') {
                uint32_t c;
                size_t n;

                if (*r->p == '\\') {
                        r->p++;
                        read_escape(r);
                        continue;
                }
                n = utf8_check(r->p, &c);
                must(n > 0 && !is_control_or_format(c));
                fwrite(r->p, 1, n, r->trace);
                r->p += n;
        }
        r->p++;
        fputc('\0', r->trace);
}

static void read_value(Reader *r);

static void read_container(Reader *r, bool object) {
        char last = object ? '}' : ']';

        fputc(*r->p++, r->trace);
        skip_space(r);
        for (bool first = true; *r->p != last; first = false) {
                if (!first)
                        must(*r->p++ == ',');
                skip_space(r);
                if (object) {
                        read_string(r);
                        skip_space(r);
                        must(*r->p++ == ':');
                        skip_space(r);
                }
                read_value(r);
                skip_space(r);
        }
        fputc(*r->p++, r->trace);
}

static void read_value(Reader *r) {
        size_t n = strspn(r->p, "0123456789");

        if (*r->p == '{' || *r->p == '[')
                read_container(r, *r->p == '{');
        else if (*r->p == '"') {
                fputc('"', r->trace);
                read_string(r);
        } else if (n > 0) {
                must(n == 1 || *r->p != '0');
                fprintf(r->trace, "%.*s,", (int) n, r->p);
                r->p += n;
        } else
                read_literal(r, *r->p == 't' ? "true" : *r->p == 'f' ? "false" : "null");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text, *traces[2];
        size_t length, lengths[2];
        FILE *file = open_memstream(&text, &length), *written = open_memstream(&traces[0], &lengths[0]),
             *read = open_memstream(&traces[1], &lengths[1]);
        Input in;
        Reader r = { .trace = read };
        Json j;

        must(file && written && read);
        if (size > 0) {
                in = (Input){ data + 1, size - 1 };
                r.pretty = data[0] & 1;
                json_init(&j, file, r.pretty);
                write_all(&j, &in, written);
                must(fflush(file) == 0 && strlen(text) == length);

                r.p = text;
                read_container(&r, true);
                must(strcmp(r.p, "\n") == 0);
        }
        must(fclose(file) == 0 && fclose(written) == 0 && fclose(read) == 0);
        must(lengths[0] == lengths[1] && memcmp(traces[0], traces[1], lengths[0]) == 0);

        free(text);
        free(traces[0]);
        free(traces[1]);
        return 0;
}
