/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* The lifetime of a reference as a descriptor, as logind's inhibitors have it: a FIFO, of which the holder has the reading
 * end, so that it cannot write, and we the writing end, which reports an error once nobody reads any more. Copies, in
 * children or in flight, all count. With a directory it has a name there, and can be opened again by another process. */

typedef struct Descriptor Descriptor;

/* Makes one; directory_fd -1: without a name. The reader is the caller's to pass on and close. f is called when the last
 * reader is gone. Errors: those of mkfifo() and open(). */
int descriptor_new(sd_event *event, int directory_fd, uint64_t id, sd_event_io_handler_t f, void *userdata,
                   Descriptor **ret, int *ret_reader);

/* Opens one that a former process made. Errors: -ENXIO nobody reads it any more; those of open(). */
int descriptor_reopen(sd_event *event, int directory_fd, uint64_t id, sd_event_io_handler_t f, void *userdata,
                      Descriptor **ret);

/* The name stays for another process. */
Descriptor *descriptor_free(Descriptor *d);

/* Removes the names that keep() does not want, left by a process that died too early for a record. */
int descriptor_sweep(int directory_fd, bool (*keep)(uint64_t id, void *userdata), void *userdata);

/* Removes the name; one that is not there will do. */
void descriptor_remove(int directory_fd, uint64_t id);
