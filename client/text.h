/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that comes from others (names, reasons, messages), made safe to show. */

/* Decodes one UTF-8 character of a NUL-terminated string. Returns its length in bytes, or -EILSEQ. */
int text_decode(const char *s, uint32_t *ret);

/* Neither a control character nor one that changes the order or the visibility of what stands around it. */
bool text_is_printable(uint32_t character);

bool text_is_utf8(const char *s);

/* What is not printable is written byte by byte as \xhh, the form that interface names have on the bus. A
 * backslash stays: names come escaped already. */
int text_escape(const char *s, char **ret);

/* Breaks lines at spaces, so that none ends behind column `width` unless one word alone does. The text
 * begins in column `indent`, and so does each further line. Line ends stay. */
int text_wrap(const char *s, size_t width, size_t indent, char **ret);

/* Columns on a terminal. */
size_t text_width(const char *s);
