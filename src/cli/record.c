/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/record.h"

#include <string.h>

#include "base/json.h"
#include "shim/denial_file.h"
#include "shim/undo.h"

void record_refresh(struct target *t)
{
        if (run_state_ended(&t->state))
                return;
        t->state.usage = (struct cgroup_usage){ 0 };
        run_read_usage(t->dir_fd, &t->state.usage);
}

static void add_denials(const struct target *t, struct text *ret)
{
        CLEAN_DENIALS struct denial_table denials = { 0 };
        if (denial_file_load(t->dir_fd, &denials, NULL) < 0)
                return;
        text_add(ret, ",\"denials\":");
        denial_rows_json(&denials, ret);
        text_addf(ret, ",\"denials_lost\":%llu", (unsigned long long)denials.lost);
}

void record_json(const struct target *t, struct text *ret)
{
        run_state_json(&t->state, ret);
        ret->length = (size_t)(strrchr(ret->data, '}') - ret->data); /* open again */
        add_denials(t, ret);
        text_add(ret, "}\n");
}

int record_print_json(const struct target *t, struct error *e)
{
        CLEAN_TEXT struct text text = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        record_json(t, &text);
        int r = json_parse("the record", text.data, text.length, &d, e);
        if (r == 0)
                json_print(stdout, &d);
        return r;
}
