/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the commands of groups read: fleet files and properties.  A word is "-" for standard input, JSON that begins with { or [, or the
 * path of a file.  What holds {{ is expanded first (group/template.h); what it includes lies beside the file, or where its path says.
 */
#pragma once

#include "base/json.h"
#include "base/text.h"

enum { INPUT_MAX = 4 << 20, DOCUMENTS_MAX = 10000 };

/* The expanded text, and what errors call it. Ids: "file.read", "template.include", and those of templates. */
int input_read(const char *word, const struct strings *variables, struct text *ret, char **ret_name, struct error *e);
/* The same whether or not there is {{ in it. */
int input_expand(const char *word, const struct strings *variables, struct text *ret, struct error *e);
/* The same, parsed. */
int input_json(const char *word, const struct strings *variables, struct json_document *ret, struct error *e);

/* The group documents of fleet files, checked, and the plugins that they name. */
struct input_documents {
        struct text json;       /* "[{...},{...}]" */
        struct strings ids;
        struct strings plugins; /* names without types, each once */
};
void input_documents_done(struct input_documents *d);
#define CLEAN_INPUT_DOCUMENTS CLEAN(input_documents_done)
/*
 * A file is one document, an array of them, or {"Groups":[...]}. A document may be wrapped as InfraKit's managers have it: {"Plugin":"group",
 * "Properties":{"ID","Properties"}}, or {"kind":"group","metadata":{"name"},"properties"}. No id may come twice.
 * Ids: "json.value", "fleet.documents".
 */
int input_documents_read(const struct strings *words, const struct strings *variables, struct input_documents *ret, struct error *e);
/* Adds those of a JSON array of documents that is parsed already. */
int input_documents_add(const struct json_place *array, struct input_documents *ret, struct error *e);
