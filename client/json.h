/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Writes JSON as it goes. `key` is the member's name inside an object, and NULL inside an array or outside.
 * */
typedef struct Json {
        FILE *file;
        bool pretty;
        bool filled; /* the innermost object or array has a member */
        unsigned depth;
        uint64_t arrays; /* bit n: the container at depth n + 1 is an array */
} Json;

#define JSON_DEPTH_MAX 64U

void json_init(Json *j, FILE *file, bool pretty);

void json_object(Json *j, const char *key);
void json_array(Json *j, const char *key);
void json_end(Json *j); /* of the innermost; ends the line after the outermost */

void json_string(Json *j, const char *key, const char *value);
void json_unsigned(Json *j, const char *key, uint64_t value);
void json_bool(Json *j, const char *key, bool value);
void json_null(Json *j, const char *key);
