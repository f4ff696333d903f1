/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "identify-protocol.h"

/* Asks promisc-identify, a program apart with the rights for it, who has sockets open. Nothing here blocks. Questions that
 * wait for one that is being answered are asked together after it, so that there is one walk over /proc at a time. */

typedef struct Identify Identify;
typedef struct IdentifyQuestion IdentifyQuestion;

#define IDENTIFY_QUESTIONS_MAX 256U
#define IDENTIFY_TIMEOUT_USEC  (2 * UINT64_C(1000000)) /* from when it is asked */
#define IDENTIFY_WAIT_USEC     (2 * UINT64_C(1000000)) /* until it is */

typedef struct IdentifyProcess {
        uint64_t inode; /* of the socket that it has open; 0: it was asked for by its pid */
        pid_t pid;
        uint64_t started_usec;                      /* CLOCK_BOOTTIME */
        char command[4 * IDENTIFY_COMMAND_MAX + 1]; /* escaped as interface names are */
        char unit[IDENTIFY_UNIT_MAX + 1];           /* "" for none */
} IdentifyProcess;

/* Called once, later, never from within identify_ask(); the question is gone then. error is 0; 1 if the list lacks some
 * that there was no room or time for; or negative, without a list: -ETIMEDOUT; -ECONNRESET, it left without an answer;
 * -EBADMSG, it talked nonsense; those of connect(), send() and posix_spawn(). The list is valid during the call. It has an
 * entry for each pair of socket and process, in the order of inodes, then of pids. Other questions may be asked or cancelled from there. */
typedef void (*identify_handler_t)(int error, const IdentifyProcess *list, size_t n, void *userdata);

/* The places are those of the installation if NULL. The program is started only where systemd, which would do that, does
 * not run; $PROMISC_IDENTIFY names another one. */
int identify_new(sd_event *event, const char *socket_path, const char *program, Identify **ret);

/* Ends all questions without a call. Not from within a handler. */
Identify *identify_free(Identify *i);

/* Any order, and any may be there twice. A process that was asked for by its pid may be another than the one that had this
 * pid when it was noted: compare when it started.
 * Errors: -EINVAL nothing is asked, or a 0; -E2BIG beyond IDENTIFY_INODES_MAX or IDENTIFY_PIDS_MAX; -EBUSY too many
 * questions; -ENOMEM. */
int identify_ask(Identify *i, const uint64_t *inodes, size_t n_inodes, const pid_t *pids, size_t n_pids,
                 identify_handler_t f, void *userdata, IdentifyQuestion **ret);

/* Nobody waits for the answer any more: the handler is not called. Takes NULL. */
IdentifyQuestion *identify_question_cancel(IdentifyQuestion *q);
