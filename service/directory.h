/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>

/* Calls f for each entry but "." and "..", until one call returns non-zero; that is then returned. f may remove the entry.
 * Errors: those of open() and readdir(). */
int directory_each(int directory_fd, int (*f)(const struct dirent *de, void *userdata), void *userdata);
