/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first byte says which: bytes as a record of an instance, as what is known of a host, as what a host answers, as the status of a
 * machine.  What parses is written the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/instance-ssh/ssh.h"
#include "../../plugins/instance-vagrant/vagrant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_record(const char *s, size_t n)
{
        CLEAN_INSTANCE_RECORD struct instance_record r = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 }, t2 = { 0 };
        struct error e = { 0 };
        if (instance_record_parse("record", s, n, &r, &e) < 0) {
                check(e.id[0]);
                return;
        }
        check(r.name && strlen(r.name) == INSTANCE_NAME_SIZE - 1 && r.tags.count <= TAGS_MAX);
        instance_record_format(&t, &r);
        check(instance_record_parse("record", t.data, t.length, &again, &e) == 0);
        instance_record_format(&t2, &again);
        check(text_equal(t.data, t2.data));
}

static void check_known(const char *s, size_t n)
{
        CLEAN_KNOWN struct known k = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (known_parse("known", s, n, &k, &e) < 0)
                return;
        /* None of it can be an option of ssh, or another line of known_hosts. */
        check(*k.host.address != '-' && *k.host.user != '-' && !strpbrk(k.host.address, " \n") && !strchr(k.host.host_key, '\n'));
        known_format(&t, &k);
        check(known_parse("known", t.data, t.length, &again, &e) == 0);
}

static void check_answer(const char *s, size_t n)
{
        CLEAN_ANSWER struct answer a = { 0 };
        struct error e = { 0 };
        if (answer_parse(s, n, &a, &e) < 0)
                check(e.id[0]);
        else
                check(a.kind != ANSWER_CLAIM || (a.record.name && a.words));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size)
                return 0;
        const char *s = (const char *)data + 1;
        switch (data[0] % 4) {
        case 0:
                check_record(s, size - 1);
                break;
        case 1:
                check_known(s, size - 1);
                break;
        case 2:
                check_answer(s, size - 1);
                break;
        default:
                check(status_parse(s, size - 1) <= MACHINE_ABSENT);
        }
        return 0;
}
