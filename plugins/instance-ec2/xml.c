/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml.h"

#include <expat.h>
#include <string.h>

struct reader {
        XML_Parser parser;
        struct xml_document d;
        uint32_t open[XML_DEPTH_MAX]; /* indices of the elements that are not closed yet */
        size_t depth;
        struct text text;  /* of the innermost one, so far */
        const char *fault; /* why reading was given up */
};

void xml_done(struct xml_document *d)
{
        free(d->nodes);
        text_clear(&d->strings);
        *d = (struct xml_document){ 0 };
}

static void give_up(struct reader *r, const char *fault)
{
        if (!r->fault)
                r->fault = fault;
        (void)XML_StopParser(r->parser, XML_FALSE);
}

/* Each string ends with NUL; the one at 0 is the empty one. */
static uint32_t keep(struct xml_document *d, const char *s, size_t n)
{
        if (!n)
                return 0;
        size_t at = d->strings.length;
        text_add_bytes(&d->strings, s, n);
        text_add_bytes(&d->strings, "", 1);
        return (uint32_t)at;
}

static void on_start(void *data, const char *name, const char **attributes)
{
        struct reader *r = data;
        (void)attributes;
        if (r->depth == XML_DEPTH_MAX)
                return give_up(r, "elements are nested too deep");
        if (r->d.count == XML_NODES_MAX)
                return give_up(r, "there are too many elements");
        r->d.nodes = xgrow(r->d.nodes, &r->d.room, r->d.count + 1, sizeof *r->d.nodes);
        r->open[r->depth++] = (uint32_t)r->d.count;
        r->d.nodes[r->d.count++] = (struct xml_node){ .name = keep(&r->d, name, strlen(name)), .span = 1 };
        r->text.length = 0; /* text beside elements means nothing in these replies */
}

static void on_end(void *data, const char *name)
{
        struct reader *r = data;
        (void)name;
        if (r->fault || !r->depth)
                return;
        struct xml_node *n = &r->d.nodes[r->open[--r->depth]];
        n->span = (uint32_t)(r->d.count - (size_t)(n - r->d.nodes));
        if (n->span == 1)
                n->text = keep(&r->d, r->text.data, r->text.length);
        r->text.length = 0;
}

static void on_text(void *data, const char *s, int n)
{
        struct reader *r = data;
        if (!r->fault)
                text_add_bytes(&r->text, s, (size_t)n);
}

static void on_document_type(void *data, const char *name, const char *system, const char *public, int internal)
{
        (void)name, (void)system, (void)public, (void)internal;
        give_up(data, "it has a document type");
}

static int say(const struct reader *r, struct error *e)
{
        const char *why = r->fault ? r->fault : XML_ErrorString(XML_GetErrorCode(r->parser));
        return error_set(e, EBADMSG, "aws.reply", "the reply is not the XML that is expected: line %lu: %s",
                         (unsigned long)XML_GetCurrentLineNumber(r->parser), why ? why : "unknown");
}

int xml_parse(const char *data, size_t size, struct xml_document *ret, struct error *e)
{
        if (size > XML_SIZE_MAX)
                return error_set(e, EBADMSG, "aws.reply", "the reply has more than %d MiB", XML_SIZE_MAX >> 20);
        struct reader r = { .parser = XML_ParserCreate("UTF-8") };
        if (!r.parser)
                abort();
        text_add_bytes(&r.d.strings, "", 1);
        XML_SetUserData(r.parser, &r);
        XML_SetElementHandler(r.parser, on_start, on_end);
        XML_SetCharacterDataHandler(r.parser, on_text);
        XML_SetStartDoctypeDeclHandler(r.parser, on_document_type);
        int result = 0;
        if (XML_Parse(r.parser, data, (int)size, XML_TRUE) != XML_STATUS_OK || r.fault)
                result = say(&r, e);
        XML_ParserFree(r.parser);
        text_clear(&r.text);
        if (result < 0)
                xml_done(&r.d);
        else
                *ret = r.d;
        return result;
}

const char *xml_name(const struct xml_document *d, const struct xml_node *n)
{
        return d->strings.data + n->name;
}

const char *xml_value(const struct xml_document *d, const struct xml_node *n)
{
        return d->strings.data + n->text;
}

const struct xml_node *xml_first(const struct xml_node *n)
{
        return n->span > 1 ? n + 1 : NULL;
}

const struct xml_node *xml_next(const struct xml_node *parent, const struct xml_node *child)
{
        const struct xml_node *next = child + child->span;
        return next < parent + parent->span ? next : NULL;
}

const struct xml_node *xml_find(const struct xml_document *d, const struct xml_node *n, const char *path)
{
        while (n && *path) {
                size_t length = strcspn(path, "/");
                const struct xml_node *child = xml_first(n);
                while (child && (strncmp(xml_name(d, child), path, length) != 0 || xml_name(d, child)[length]))
                        child = xml_next(n, child);
                n = child;
                path += length + (path[length] == '/');
        }
        return n;
}

const char *xml_text(const struct xml_document *d, const struct xml_node *n, const char *path)
{
        n = xml_find(d, n, path);
        return n ? xml_value(d, n) : NULL;
}
