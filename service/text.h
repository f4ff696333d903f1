/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Interface names are bytes, D-Bus strings are UTF-8, and both reach prompts, logs and terminals. */

/* Alternative names are the longest: ALTIFNAMSIZ (128) with its NUL, each byte at most "\xhh". */
#define NAME_MAX_BYTES   127U
#define NAME_ESCAPED_MAX (4 * NAME_MAX_BYTES + 1)

/* Writes the name as the contract shows it: each byte of what is not printable ASCII or valid UTF-8 without control
 * characters, and each backslash, as "\xhh". "Control" are Unicode's Cc and its Bidi_Control. Noncharacters count as
 * invalid, because sd-bus refuses to send them. Of the string no more than NAME_MAX_BYTES bytes are shown. Returns buf. */
char *name_escape(const char *name, char buf[static NAME_ESCAPED_MAX]);

/* The way back. Only what name_escape() writes is accepted.
 * Errors: -EINVAL for what it would never write, or what is longer than any name. */
int name_unescape(const char *escaped, char ret_name[static NAME_MAX_BYTES + 1]);

/* Is the text 1 to PROMISC_REASON_MAX bytes of UTF-8 without control, format (bidirectional or other) and line
 * separating characters? Unicode 15.0, general categories Cc, Cf, Zl and Zp. */
bool reason_is_valid(const char *reason);
