/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of templates and the functions over them. All memory is the run's and goes with it. */
#pragma once

#include "group/template.h"

enum value_type { VALUE_NOTHING, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST };

struct value {
        enum value_type type;
        bool truth;
        int64_t number;
        const char *text; /* of a text; of nothing: what was not found, for the error, or NULL */
        const struct value *items;
        size_t count;
};

struct template_name {
        const char *name;
        struct value value;
};

/* A run over one source and all that it includes. */
struct template_run {
        const struct template_host *host;
        struct template_name *variables; /* of `var` */
        size_t variable_count, variable_room;
        void **memory;
        size_t memory_count, memory_room, memory_bytes;
        size_t steps, depth;
};

/* Where an error is told: the source and the line. */
struct template_place {
        struct template_run *run;
        const char *name;
        size_t line;
};

/* Memory of the run; NULL and an error when there was too much. */
void *template_memory(const struct template_place *at, size_t size, struct error *e);
/* A text value with a copy of the text. */
int value_text(const struct template_place *at, const char *s, size_t n, struct value *ret, struct error *e);
bool value_true(const struct value *v);
bool value_equal(const struct value *a, const struct value *b);
/* What is printed. Id: "template.value" for nothing, and for a list. */
int value_print(const struct template_place *at, const struct value *v, struct text *ret, struct error *e);

/* Sets what `var` gives. */
void template_variable_set(struct template_run *r, const char *name, const struct value *v);

/* "NAME:LINE: " and the words; -EINVAL, or -E2BIG for "template.limit". */
int template_value_fail(const struct template_place *at, struct error *e, const char *format, ...) __attribute__((format(printf, 3, 4), cold));
int template_limit_fail(const struct template_place *at, struct error *e, const char *what);

/* Calls a function; -ENOENT when there is none of the name. */
int template_call(const struct template_place *at, const char *name, const struct value *args, size_t count, struct value *ret, struct error *e);
bool template_function_known(const char *name);
/* `include`, which the interpreter does itself: expands what the host fetches. */
int template_include(const struct template_place *at, const char *url, struct value *ret, struct error *e);
