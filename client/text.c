/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cleanup.h"

int text_decode(const char *s, uint32_t *ret) {
        const unsigned char *p = (const unsigned char *) s;
        /* The smallest character of each length: what is smaller is an overlong form. */
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c;
        int length;

        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        } else if ((p[0] & 0xe0) == 0xc0) {
                length = 2;
                c = p[0] & 0x1f;
        } else if ((p[0] & 0xf0) == 0xe0) {
                length = 3;
                c = p[0] & 0x0f;
        } else if ((p[0] & 0xf8) == 0xf0) {
                length = 4;
                c = p[0] & 0x07;
        } else
                return -EILSEQ;

        for (int i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80) /* also the terminating NUL */
                        return -EILSEQ;
                c = c << 6 | (p[i] & 0x3f);
        }

        if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return -EILSEQ;
        if ((c >= 0xfdd0 && c <= 0xfdef) ||
            (c & 0xfffe) == 0xfffe) /* noncharacters: sd-bus does not send them */
                return -EILSEQ;

        *ret = c;
        return length;
}

bool text_is_printable(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } hidden[] = {
                /* control */
                { 0x0000, 0x001f },
                { 0x007f, 0x009f },
                /* Unicode's general categories Cf, Zl and Zp */
                { 0x00ad, 0x00ad },
                { 0x0600, 0x0605 },
                { 0x061c, 0x061c },
                { 0x06dd, 0x06dd },
                { 0x070f, 0x070f },
                { 0x0890, 0x0891 },
                { 0x08e2, 0x08e2 },
                { 0x180e, 0x180e },
                { 0x200b, 0x200f },
                { 0x2028, 0x202e },
                { 0x2060, 0x206f },
                { 0xfeff, 0xfeff },
                { 0xfff9, 0xfffb },
                { 0x110bd, 0x110bd },
                { 0x110cd, 0x110cd },
                { 0x13430, 0x1343f },
                { 0x1bca0, 0x1bca3 },
                { 0x1d173, 0x1d17a },
                { 0xe0000, 0xe007f },
        };

        for (size_t i = 0; i < ELEMENTSOF(hidden); i++)
                if (c >= hidden[i].first && c <= hidden[i].last)
                        return false;
        return true;
}

bool text_is_utf8(const char *s) {
        uint32_t c;

        for (int n; *s; s += n) {
                n = text_decode(s, &c);
                if (n < 0)
                        return false;
        }
        return true;
}

int text_escape(const char *s, char **ret) {
        static const char hex[] = "0123456789abcdef";
        char *buffer, *p;

        p = buffer = malloc(strlen(s) * 4 + 1);
        if (!buffer)
                return -ENOMEM;

        while (*s) {
                uint32_t c = 0;
                int n = text_decode(s, &c);

                if (n > 0 && text_is_printable(c)) {
                        p = mempcpy(p, s, (size_t) n);
                        s += n;
                        continue;
                }

                for (int i = 0; i < (n > 0 ? n : 1); i++, s++) {
                        *p++ = '\\';
                        *p++ = 'x';
                        *p++ = hex[(unsigned char) *s >> 4];
                        *p++ = hex[(unsigned char) *s & 0xf];
                }
        }

        *p = 0;
        *ret = buffer;
        return 0;
}

size_t text_width(const char *s) {
        size_t width = 0;
        uint32_t c = 0;

        for (int n; *s; s += n) {
                int w;

                n = text_decode(s, &c);
                if (n < 0) {
                        n = 1;
                        c = 0xfffd;
                }
                w = wcwidth((wchar_t) c);
                width += w < 0 ? 1 : (size_t) w; /* -1: the locale does not know it */
        }
        return width;
}

/* The columns of its first `n` bytes. */
static size_t width_of_bytes(const char *s, size_t n) {
        _cleanup_free_ char *copy = strndup(s, n);

        return copy ? text_width(copy) : n;
}

static void new_line(FILE *f, size_t indent) {
        fprintf(f, "\n%*s", (int) indent, "");
}

int text_wrap(const char *s, size_t width, size_t indent, char **ret) {
        size_t column = indent, size;
        char *text = NULL;
        int failed;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;

        while (*s) {
                size_t n = strcspn(s, " \n"), w = width_of_bytes(s, n);
                bool first = column == indent;

                if (!first && column + 1 + w > width) {
                        new_line(f, indent);
                        column = indent;
                        first = true;
                }
                if (!first)
                        fputc(' ', f);
                fwrite(s, 1, n, f);
                column += w + !first;
                s += n;
                if (*s == '\n') {
                        new_line(f, indent);
                        column = indent;
                }
                s += *s != '\0';
        }

        failed = ferror(f);
        if (fclose(f) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}
