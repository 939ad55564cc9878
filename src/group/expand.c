/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/expand.h"

#include <string.h>

const char *expand_address(const struct instance *i)
{
        const char *address = tags_get(&i->tags, TAG_ADDRESS);
        return address ? address : i->logical_id;
}

static const char *id_of(const struct instance *i)
{
        return i->id;
}

static const char *logical_id_of(const struct instance *i)
{
        return i->logical_id;
}

static const char *port_of(const struct instance *i)
{
        return tags_get(&i->tags, TAG_PORT);
}

static const struct {
        const char *name;
        const char *(*value)(const struct instance *i);
} places[] = {
        { "id", id_of }, { "logical_id", logical_id_of }, { "address", expand_address }, { "port", port_of },
};

/* What stands between the braces, without the blanks at its ends. */
struct action {
        const char *text;
        size_t length;
};

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static void trim(struct action *a)
{
        for (; a->length && is_blank(*a->text); a->length--)
                a->text++;
        while (a->length && is_blank(a->text[a->length - 1]))
                a->length--;
}

static bool is_word(const struct action *a, const char *word)
{
        return a->length == strlen(word) && !memcmp(a->text, word, a->length);
}

static bool is_tag(const struct action *a, struct action *ret_name)
{
        if (a->length < sizeof "tag " || memcmp(a->text, "tag", 3) || !is_blank(a->text[3]))
                return false;
        *ret_name = (struct action){ a->text + 3, a->length - 3 };
        trim(ret_name);
        return ret_name->length && ret_name->length <= TAG_NAME_MAX && !memchr(ret_name->text, '{', ret_name->length);
}

static int bad_action(const struct action *a, struct error *e)
{
        (void)error_set(e, EINVAL, "expand.syntax", "there is no \"{{%.*s}}\"", a->length > 80 ? 80 : (int)a->length, a->text);
        error_hint(e, "{{id}}, {{logical_id}}, {{address}}, {{port}} or {{tag NAME}}");
        return -EINVAL;
}

/* i NULL: only checks. ret_value is borrowed. */
static int look_up(const struct action *a, const struct instance *i, const char **ret_value, struct error *e)
{
        struct action tag;
        for (size_t k = 0; k < ELEMENTS(places); k++)
                if (is_word(a, places[k].name)) {
                        *ret_value = i ? places[k].value(i) : "";
                        return 0;
                }
        if (!is_tag(a, &tag))
                return bad_action(a, e);
        CLEAN_FREE char *name = xstrndup(tag.text, tag.length);
        *ret_value = i ? tags_get(&i->tags, name) : "";
        return 0;
}

bool expand_is_place(const char *text, size_t length)
{
        struct action a = { text, length };
        const char *value;
        struct error ignored = { 0 };
        trim(&a);
        return look_up(&a, NULL, &value, &ignored) == 0;
}

static bool may_stand(const char *value, enum expand_into into)
{
        for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
                bool plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
                if (into == EXPAND_NAME ? !plain && !strchr("._:/@+=,-", *c) : *c < ' ' || *c == 127)
                        return false;
        }
        return true;
}

static int add_value(const struct action *a, const struct instance *i, enum expand_into into, struct text *t, struct error *e)
{
        const char *value = NULL;
        int r = look_up(a, i, &value, e);
        if (r < 0 || !i)
                return r;
        if (!value)
                return error_set(e, ENOENT, "expand.missing", "instance %s has no %.*s", i->id, (int)a->length, a->text);
        if (!may_stand(value, into))
                return error_set(e, EINVAL, "expand.value", "the %.*s of instance %s has characters that may not stand there", (int)a->length, a->text, i->id);
        text_add(t, value);
        return 0;
}

static int walk(const char *s, const struct instance *i, enum expand_into into, struct text *t, struct error *e)
{
        while (*s) {
                const char *open = strstr(s, "{{"), *shut = open ? strstr(open, "}}") : NULL;
                if (open && !shut)
                        return error_set(e, EINVAL, "expand.syntax", "\"{{\" without \"}}\": %.40s", open);
                size_t plain = open ? (size_t)(open - s) : strlen(s);
                if (t->length + plain > EXPAND_SIZE_MAX)
                        return error_set(e, EMSGSIZE, "expand.size", "a text would have more than %d bytes", EXPAND_SIZE_MAX);
                text_add_bytes(t, s, plain);
                if (!open)
                        return 0;
                struct action a = { open + 2, (size_t)(shut - open - 2) };
                trim(&a);
                int r = add_value(&a, i, into, t, e);
                if (r < 0)
                        return r;
                s = shut + 2;
        }
        return 0;
}

bool expand_needed(const char *s)
{
        return strstr(s, "{{") != NULL;
}

int expand_check(const char *s, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        return walk(s, NULL, EXPAND_WORD, &t, e);
}

int expand(const char *s, const struct instance *i, enum expand_into into, struct text *ret, struct error *e)
{
        return walk(s, i, into, ret, e);
}
