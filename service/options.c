/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "options.h"
#include "packet-socket.h"
#include "promisc-names.h"
#include "util.h"

static void help(void) {
        printf("promiscd [OPTIONS…]\n\n"
               "Tells on D-Bus which network interfaces are promiscuous and why, and holds\n"
               "promiscuous references for those whom polkit allows.\n\n"
               "     --references-max=N           references held in all (%u)\n"
               "     --references-per-user-max=N  references held for each user but root (%u)\n"
               "     --resync-sec=SECONDS         time between readings of all interfaces (5, 0: never)\n"
               "  -h --help                       show this help\n"
               "     --version                    show the version\n\n"
               "See promiscd(8).\n",
               PROMISC_REFERENCES_MAX, PROMISC_REFERENCES_PER_USER_MAX);
}

/* Digits alone: strtoul() takes signs, spaces and wrapped numbers. */
static int parse_unsigned(const char *s, unsigned max, unsigned *ret) {
        unsigned long long v;
        char *end;

        if (s[0] < '0' || s[0] > '9' || strlen(s) > 10)
                return -EINVAL;
        v = strtoull(s, &end, 10);
        if (*end || v > max)
                return -EINVAL;

        *ret = (unsigned) v;
        return 0;
}

/* Seconds with up to six decimals, at most a day. */
static int parse_seconds(const char *s, uint64_t *ret) {
        uint64_t usec = 0, unit = USEC_PER_SEC / 10;
        const char *p = s;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++) {
                usec = usec * 10 + (uint64_t) (*p - '0') * USEC_PER_SEC;
                if (usec > 86400 * USEC_PER_SEC)
                        return -EINVAL;
        }
        if (*p == '.') {
                if (*++p == '\0')
                        return -EINVAL;
                for (; *p >= '0' && *p <= '9' && unit > 0; p++, unit /= 10)
                        usec += (uint64_t) (*p - '0') * unit;
        }
        if (*p || usec > 86400 * USEC_PER_SEC)
                return -EINVAL;

        *ret = usec;
        return 0;
}

int options_parse(int argc, char **argv, Options *ret) {
        enum { ARG_VERSION = 0x100, ARG_REFERENCES_MAX, ARG_REFERENCES_PER_USER_MAX, ARG_RESYNC_SEC };
        static const struct option table[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "references-max", required_argument, NULL, ARG_REFERENCES_MAX },
                { "references-per-user-max", required_argument, NULL, ARG_REFERENCES_PER_USER_MAX },
                { "resync-sec", required_argument, NULL, ARG_RESYNC_SEC },
                {},
        };
        Options o = {
                .references_max = PROMISC_REFERENCES_MAX,
                .references_per_user_max = PROMISC_REFERENCES_PER_USER_MAX,
                .resync_usec = 5 * USEC_PER_SEC,
        };
        int c, r = 0, index = 0;

        optind = 0; /* GNU: start anew, so that a test can call it twice */
        while ((c = getopt_long(argc, argv, "h", table, &index)) >= 0) {
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case ARG_VERSION:
                        printf("promiscd %s\n", PROMISCD_VERSION);
                        return 0;
                case ARG_REFERENCES_MAX:
                        r = parse_unsigned(optarg, PACKET_POOL_UNITS_MAX, &o.references_max);
                        break;
                case ARG_REFERENCES_PER_USER_MAX:
                        r = parse_unsigned(optarg, PACKET_POOL_UNITS_MAX, &o.references_per_user_max);
                        break;
                case ARG_RESYNC_SEC:
                        r = parse_seconds(optarg, &o.resync_usec);
                        break;
                default:
                        return -EINVAL; /* getopt_long() has said why */
                }

                if (r < 0) {
                        if (c == ARG_RESYNC_SEC)
                                fprintf(stderr, "promiscd: invalid value for --%s: \"%s\" (seconds up to a day)\n",
                                        table[index].name, optarg);
                        else
                                fprintf(stderr, "promiscd: invalid value for --%s: \"%s\" (0 to %u)\n",
                                        table[index].name, optarg, PACKET_POOL_UNITS_MAX);
                        return r;
                }
        }

        if (optind < argc) {
                fprintf(stderr, "promiscd: takes no arguments, but was given \"%s\"\n", argv[optind]);
                return -EINVAL;
        }

        if (o.references_max <= PROMISC_REFERENCES_ROOT)
                fprintf(stderr, "promiscd: the last %u references are for root, so that others will have none\n",
                        PROMISC_REFERENCES_ROOT);

        *ret = o;
        return 1;
}
