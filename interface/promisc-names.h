/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Each name of the contract, once. Members' names stand in the vtables and in org.example.Promisc.xml. */

#define PROMISC_BUS_NAME                "org.example.Promisc"

#define PROMISC_PATH                    "/org/example/Promisc"
#define PROMISC_LINK_PREFIX             PROMISC_PATH "/link"
#define PROMISC_REFERENCE_PREFIX        PROMISC_PATH "/reference"

#define PROMISC_LINK_INTERFACE          "org.example.Promisc"
#define PROMISC_MANAGER_INTERFACE       "org.example.Promisc.Manager"
#define PROMISC_REFERENCE_INTERFACE     "org.example.Promisc.Reference"

#define PROMISC_ACTION_ACQUIRE          "org.example.Promisc.acquire"
#define PROMISC_ACTION_RELEASE          "org.example.Promisc.release"
#define PROMISC_ACTION_INSPECT          "org.example.Promisc.inspect"

#define PROMISC_ERROR_NO_SUCH_LINK      "org.example.Promisc.Error.NoSuchLink"
#define PROMISC_ERROR_NO_SUCH_REFERENCE "org.example.Promisc.Error.NoSuchReference"
#define PROMISC_ERROR_COUNTER_OVERFLOW  "org.example.Promisc.Error.CounterOverflow"

/* PromiscuityChanged(source) */
#define PROMISC_SOURCE_EVENT            "event"
#define PROMISC_SOURCE_RESYNC           "resync"

/* Resynchronized(cause) */
#define PROMISC_RESYNC_OVERRUN          "overrun"
#define PROMISC_RESYNC_TIMER            "timer"
#define PROMISC_RESYNC_RESTART          "restart"

/* Reference.Lifetime */
#define PROMISC_LIFETIME_CONNECTION     "connection"
#define PROMISC_LIFETIME_DESCRIPTOR     "descriptor"

/* Released(cause) */
#define PROMISC_CAUSE_RELEASED          "released"
#define PROMISC_CAUSE_REVOKED           "revoked"
#define PROMISC_CAUSE_OWNER_VANISHED    "owner-vanished"
#define PROMISC_CAUSE_DESCRIPTOR_CLOSED "descriptor-closed"
#define PROMISC_CAUSE_EXPIRED           "expired"
#define PROMISC_CAUSE_LINK_REMOVED      "link-removed"
#define PROMISC_CAUSE_LINK_MOVED        "link-moved"
#define PROMISC_CAUSE_SERVICE_STOPPED   "service-stopped"

/* Limits that the contract fixes or gives as a default. */
#define PROMISC_REASON_MAX              256U    /* bytes */
#define PROMISC_REFERENCES_MAX          4096U
#define PROMISC_REFERENCES_ROOT         256U    /* the last of all, kept for UID 0 */
#define PROMISC_REFERENCES_PER_USER_MAX 256U
