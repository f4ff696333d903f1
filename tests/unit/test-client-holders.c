/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <inttypes.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "explain.h"
#include "text-stream.h"

static ProcessInfo tcpdump = { 812, (char *) "tcpdump", (char *) "session-2.scope" };
static ProcessInfo dumpcap[] = { { 913, (char *) "dumpcap", (char *) "" }, { 914, (char *) "dumpcap", (char *) "" } };

#define KIND(k)              .kind = (char *) k, .count = 1
#define SOCKET(i, list, n)   { KIND("packet-socket"), .inode = i, .uid = 7, .processes = { list, n } }
#define UPPER(k, name)       { KIND(k), .upper = (char *) name }
#define REFERENCE(id, ...)   { KIND("reference"), .reference = (char *) "/org/example/Promisc/reference/" #id, __VA_ARGS__ }
#define LIST(...)            (HolderList){ (HolderInfo[]){ __VA_ARGS__ }, sizeof((HolderInfo[]){ __VA_ARGS__ }) / sizeof(HolderInfo), false }

static char *explain(const LinkInfo *l, const HolderList *holders) {
        char *text;

        assert_int_equal(explain_link(l, holders, &text), 0);
        return text;
}

static void assert_explained(const HolderList *holders, const char *expected) {
        LinkInfo l = { .promiscuous = true, .promiscuity = (uint32_t) holder_list_sum(holders) };
        _cleanup_free_ char *text = explain(&l, holders);
        const char *begin = "`ip link` and `ifconfig` show no PROMISC because nobody set the flag by hand; ";

        assert_memory_equal(text, begin, strlen(begin));
        assert_string_equal(text + strlen(begin), expected);
}

static void test_who(void **state) {
        HolderList two = LIST(SOCKET(5, &tcpdump, 1), SOCKET(6, dumpcap, 2));
        HolderList same = LIST(SOCKET(5, &tcpdump, 1), SOCKET(6, &tcpdump, 1));
        HolderList lone = LIST(SOCKET(5, NULL, 0));
        HolderList mixed = LIST(REFERENCE(44, .reason = (char *) "why", .processes = { &tcpdump, 1 }),
                                UPPER("bridge", "br0"), UPPER("macvlan", "m0"), UPPER("macvlan", "m1"),
                                { .kind = (char *) "unattributed", .count = 2 });
        HolderList many = { (HolderInfo[9]){}, 9, false };
        ProcessInfo processes[9];

        assert_explained(&two, "two packet sockets hold it: tcpdump (pid 812, session-2.scope), dumpcap (pid 913) and "
                               "dumpcap (pid 914).");
        assert_explained(&same, "two packet sockets hold it: tcpdump (pid 812, session-2.scope).");
        assert_explained(&lone, "one packet socket holds it: inode 5 of UID 7.");
        lone.items[0].count = 3;
        assert_explained(&lone, "one packet socket holds it with three units: inode 5 of UID 7.");
        assert_explained(&mixed, "one reference that promiscd keeps holds it: tcpdump (pid 812, session-2.scope) for \"why\"; "
                                 "one bridge above it holds it: br0; two macvlans on it hold it: m0 and m1; two units are "
                                 "held by somebody who cannot be seen from here, such as a device on it in another network "
                                 "namespace.");

        lone.items[0] = (HolderInfo) UPPER("bridge", "a\033[2Jb");
        assert_explained(&lone, "one bridge above it holds it: a\\x1b[2Jb.");

        for (unsigned i = 0; i < 9; i++) {
                processes[i] = (ProcessInfo){ i + 1, (char *) "p", (char *) "" };
                many.items[i] = (HolderInfo) SOCKET(i + 1, processes + i, 1);
        }
        assert_explained(&many, "nine packet sockets hold it: p (pid 1), p (pid 2), p (pid 3), p (pid 4), p (pid 5), "
                                "p (pid 6) and 3 more.");
}

/* Those who may not know who they are. */
static void test_kinds(void **state) {
        HolderList kinds = LIST({ .kind = (char *) "packet-socket", .count = 2 }, { KIND("bridge") }, { KIND("new-kind") });

        kinds.anonymous = true;
        assert_explained(&kinds, "two packet sockets hold it; one bridge above it holds it; one new-kind holds it.");
}

static void test_views(void **state) {
        HolderList none = {}, user = LIST({ KIND("user") }), both = LIST({ KIND("user") }, SOCKET(5, &tcpdump, 1));
        HolderList corrupt = LIST({ .kind = (char *) "corrupt-counter", .count = UINT32_MAX });
        const struct {
                LinkInfo link;
                const HolderList *holders;
                const char *text;
        } cases[] = {
                { {}, &none, "The device is not promiscuous, and all tools say so." },
                { { .user_requested = true }, &none, "counter is 0 and the device is not promiscuous." },
                { { .promiscuous = true, .promiscuity = 1, .user_requested = true }, &user, "Nobody else needs it." },
                { { .promiscuous = true, .promiscuity = 2, .user_requested = true },
                  &both,
                  "beside that, one packet socket holds it: tcpdump (pid 812, session-2.scope). Without the flag the device "
                  "stays promiscuous" },
                { { .promiscuous = true, .promiscuity = UINT32_MAX }, &corrupt, "The kernel's counter is corrupt" },
                { { .promiscuity = 1 }, &user, "it changed while it was read" },
                { { .promiscuous = true }, &none, "it changed while it was read" },
                { { .netlink_flags = IFF_PROMISC, .user_requested = true }, &none, "netlink and ioctl differ" },
                { { .sysfs_flags = IFF_ALLMULTI }, &none, "only sysfs shows it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = explain(&cases[i].link, cases[i].holders);

                assert_case(strstr(text, cases[i].text), "%s", text);
        }
}

/* "+kind: …×units;" for each change */
static void put(const HolderInfo *h, int64_t units, void *userdata) {
        FILE *f = userdata;

        fprintf(f, "%+" PRIi64 " ", units);
        holder_info_put(f, h, 1);
        fputs("; ", f);
}

static void assert_changes(const HolderList *before, const HolderList *after, const char *expected) {
        _cleanup_free_ char *text = NULL;
        TextStream s = {};

        assert_int_equal(text_stream_open(&s), 0);
        holder_list_compare(before, after, put, s.file);
        assert_int_equal(text_stream_close(&s, &text), 0);
        assert_string_equal(text, expected);
}

static void test_compare(void **state) {
        HolderList none = {}, one = LIST(SOCKET(5, &tcpdump, 1)), other = LIST(SOCKET(6, dumpcap, 1));
        HolderList bridge = LIST(SOCKET(5, &tcpdump, 1), UPPER("bridge", "br0"));
        HolderList reference = LIST(REFERENCE(44, .reason = (char *) "why", .uid = 3));
        HolderList kinds = LIST({ .kind = (char *) "packet-socket", .count = 2 });

        assert_changes(&none, &none, "");
        assert_changes(&one, &one, "");
        assert_changes(&none, &one, "+1 packet-socket: tcpdump (pid 812, session-2.scope); ");
        assert_changes(&one, &none, "-1 packet-socket: tcpdump (pid 812, session-2.scope); ");
        assert_changes(&one, &other, "+1 packet-socket: dumpcap (pid 913); -1 packet-socket: tcpdump (pid 812, session-2.scope); ");
        assert_changes(&one, &bridge, "+1 bridge: br0; ");
        assert_changes(&reference, &none, "-1 reference 44: UID 3: why; ");
        other.items[0].inode = 5;
        other.items[0].count = 4;
        assert_changes(&one, &other, "+3 packet-socket: dumpcap (pid 913); ");

        /* What is told of one side alone is nobody's. */
        kinds.anonymous = true;
        assert_changes(&one, &kinds, "+1 packet-socket; ");
        assert_changes(&kinds, &bridge, "+1 bridge: br0; -1 packet-socket; ");
        assert_changes(&bridge, &kinds, "+1 packet-socket; -1 bridge: br0; ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_views),
                cmocka_unit_test(test_compare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
