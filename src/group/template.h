/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates of fleet files: a subset of Go's text/template with the functions that InfraKit's documents use.  Pure: what is
 * included and what the environment holds comes from the host; no template runs anything.
 *
 *      {{ var "size" | default 3 }}   {{- trims the blanks before, and after -}}
 *      comments as Go has them: the action begins with a slash and a star
 *      {{ if eq (env "STAGE") "live" }}...{{ else if ... }}...{{ else }}...{{ end }}
 *      {{ range $i, $name := list "a" "b" }}{{ if $i }},{{ end }}{{ quote $name }}{{ end }}
 *      {{ $x := include "file://parts/init.sh" }}{{ $x | json }}
 *
 * A value is nothing, a truth value, a whole number, a text or a list. To print nothing is an error: a name that is misspelt must not
 * become an empty setting; `default` says what stands in its place.  The functions are in template_functions.c, the manual lists them.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum {
        TEMPLATE_SIZE_MAX = 4 << 20,    /* of one source */
        TEMPLATE_OUTPUT_MAX = 16 << 20,
        TEMPLATE_MEMORY_MAX = 64 << 20, /* of all values */
        TEMPLATE_STEPS_MAX = 1 << 18,   /* words and pieces of text that are looked at */
        TEMPLATE_DEPTH_MAX = 32,        /* of blocks, of parentheses, and of includes */
        TEMPLATE_LIST_MAX = 100000,
};

struct template_host {
        /* Reads what `include` names. base: the name of the source that includes. ret_name: what errors call it, and its own includes' base. */
        int (*fetch)(void *context, const char *url, const char *base, struct text *ret, char **ret_name, struct error *e);
        const char *(*environment)(void *context, const char *name); /* NULL: not set */
        /* Whether what stands between {{ and }} is another's, and stays as it is; NULL: nothing is. */
        bool (*is_foreign)(void *context, const char *text, size_t length);
        void *context;
};

/*
 * Appends what the source becomes. variables: "NAME=VALUE". Ids: "template.syntax", "template.value", "template.limit", and fetch's. 0 or
 * -errno; after an error ret is of no use.
 */
int template_expand(const char *name, const char *source, size_t size, const struct strings *variables, const struct template_host *host, struct text *ret,
                    struct error *e);
/* Whether a text has anything to expand. */
bool template_needed(const char *source, size_t size);
