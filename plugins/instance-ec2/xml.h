/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the XML of AWS's replies: elements and their text, nothing else.  A document type, and so any entity of its own, is refused;
 * size, depth and number of elements are bounded; the text is UTF-8.  Attributes, comments and instructions are passed over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { XML_SIZE_MAX = 64 << 20, XML_DEPTH_MAX = 32, XML_NODES_MAX = 1 << 20 };

/* All elements of a document stand in one array, each before what is in it; span leads to the next sibling. */
struct xml_node {
        uint32_t name, text; /* places in the strings of the document */
        uint32_t span;       /* nodes from this one to the end of what is in it */
};
struct xml_document {
        struct xml_node *nodes;
        size_t count, room;
        struct text strings;
};
void xml_done(struct xml_document *d);
#define CLEAN_XML CLEAN(xml_done)

/* An error has the id "aws.reply". 0 or -EBADMSG. ret is written on success only. */
int xml_parse(const char *data, size_t size, struct xml_document *ret, struct error *e);

const char *xml_name(const struct xml_document *d, const struct xml_node *n);
/* The text of an element that has no elements in it; else the empty text. Never NULL. */
const char *xml_value(const struct xml_document *d, const struct xml_node *n);
/* The first element in n, and the one after child; NULL at the end. */
const struct xml_node *xml_first(const struct xml_node *n);
const struct xml_node *xml_next(const struct xml_node *parent, const struct xml_node *child);
/* The element at a path such as "instancesSet/item/instanceId", always the first of a name. NULL: not there. n may be NULL. */
const struct xml_node *xml_find(const struct xml_document *d, const struct xml_node *n, const char *path);
/* The text at a path; NULL: not there. */
const char *xml_text(const struct xml_document *d, const struct xml_node *n, const char *path);
