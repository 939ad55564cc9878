/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed reading of JSON (RFC 8259).  A document is parsed strictly: whole numbers keep all 64 bits, signed or not,
 * names in an object are unique, strings are valid UTF-8, depth and the number of values are bounded.  Its values are
 * read by tables that say for each member of an object how it is read and where it goes:
 *
 *      static const struct json_field fields[] = {
 *              { "path", json_string, offsetof(struct root, path), JSON_REQUIRED },
 *              { "readonly", json_bool, offsetof(struct root, read_only), 0 },
 *              { 0 } };
 *
 * A reader gets the place of its value, whose chain upwards is the JSON pointer that errors name, and the address of
 * its target.  null counts as absent.  Members that no row names are passed over, as the OCI specifications ask.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

enum { JSON_REQUIRED = 1 };
enum { JSON_DEPTH_MAX = 64, JSON_SIZE_MAX = 1 << 30, JSON_NODES_MAX = 1 << 21 };
enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * One value.  All values of a document stand in one array, each before what is in it, so that span leads to the next
 * sibling; an object holds its names as strings, each before its value.
 */
struct json_node {
        enum json_type type;
        uint32_t count; /* of elements or members */
        uint32_t span;  /* nodes from this one to the end of what is in it */
        bool has_nul;   /* a string with U+0000 in it is cut short there for C */
        uint32_t length;
        char *text; /* of strings: decoded, ends with NUL; of numbers: as written, length bytes */
};

/* A value and where it stands. The document owns the value; places live on the stack of their readers. */
struct json_place {
        const struct json_node *value;
        const struct json_place *up; /* NULL at the top */
        const char *key;             /* in an object; at the top: the document's name for errors */
        size_t index;                /* in an array */
};

typedef int (*json_reader)(const struct json_place *at, void *into, struct error *e);

struct json_field {
        const char *name;
        json_reader read;
        size_t offset; /* of the target within the object's target */
        unsigned flags;
};

struct json_document {
        struct json_node *nodes;
        size_t count, room;
        char *text; /* the copy that strings point into */
};
void json_done(struct json_document *d);
#define CLEAN_JSON CLEAN(json_done)

/*
 * Parses size bytes of text, which is copied.  name stands for the document in errors ("config.json").  An error has
 * the id "json.syntax" and names line and column.  0 or -EINVAL.
 */
int json_parse(const char *name, const char *text, size_t size, struct json_document *ret, struct error *e);
/* Prints a document with a member or element on each line, two blanks deeper per level, and a newline at the end. */
void json_print(FILE *f, const struct json_document *d);
/* Appends a value and what is in it, without blanks; numbers as they were written. */
void json_add(struct text *t, const struct json_node *n);
/* The value of the member of an object, or NULL: also where it is null, or n is no object. */
const struct json_node *json_member(const struct json_node *n, const char *name);
/* The place of the whole document. */
struct json_place json_top(const struct json_document *d, const char *name);

/* Says that a value is not as it should be: "NAME: /mounts/7/type: " and the words. Id "json.value"; -EINVAL. */
int json_fail(const struct json_place *at, struct error *e, const char *format, ...) __attribute__((format(printf, 3, 4), cold));
/* "/mounts/7/type" for a place, as RFC 6901 writes it; allocated. */
char *json_pointer(const struct json_place *at);

/* Functions of these names are in jansson too, which a program may link as well: the linker sees others. */
#define JSON_LINK_NAME(name) __asm__("bulkhead_" name)

/* Reads the members of an object by a table that ends with a NULL name. */
int json_object(const struct json_place *at, const struct json_field *fields, void *into, struct error *e) JSON_LINK_NAME("json_object");
/* Calls read for each element of an array, with the same target. */
int json_each(const struct json_place *at, json_reader read, void *into, struct error *e);
/* Calls read for each member of an object (at->key is its name), with the same target. */
int json_each_member(const struct json_place *at, json_reader read, void *into, struct error *e);

/* Readers. Targets: char * (owned, replaced), bool, the integer types, struct strings (added to). */
int json_string(const struct json_place *at, void *into, struct error *e) JSON_LINK_NAME("json_string");
int json_bool(const struct json_place *at, void *into, struct error *e);
int json_u32(const struct json_place *at, void *into, struct error *e);
int json_i32(const struct json_place *at, void *into, struct error *e);
int json_u64(const struct json_place *at, void *into, struct error *e);
int json_i64(const struct json_place *at, void *into, struct error *e);
int json_u16(const struct json_place *at, void *into, struct error *e);
int json_strings(const struct json_place *at, void *into, struct error *e);
/* Any value, kept as its text: compact, allocated. Target: char * (owned, replaced). */
int json_raw(const struct json_place *at, void *into, struct error *e);
/* The text of a string value, borrowed; NULL and an error when it is none or holds a NUL byte. */
const char *json_text(const struct json_place *at, struct error *e);
/* The row of words that a string value names; -EINVAL with the known words in the hint. words ends with NULL. */
int json_word(const struct json_place *at, const char *const *words, struct error *e);
