/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hash of a configuration, as InfraKit derives it: whoever takes over a group of the other must come to the same letters, or all of
 * the group is replaced.  So the form that is hashed is that of Go's encoder, to the byte.
 */
#include <math.h>
#include <nettle/sha1.h>
#include <stdlib.h>
#include <string.h>

#include "group/spec.h"

/* ---- strings and numbers as Go writes them ---- */

static void add_string(struct text *t, const struct json_node *n)
{
        const char *s = n->text, *end = s + n->length;
        text_add(t, "\"");
        while (s < end) {
                unsigned char c = (unsigned char)*s;
                size_t length = c < 0x80 ? 1 : text_utf8_length(s);
                bool is_separator = length == 3 && !memcmp(s, "\xe2\x80", 2) && ((unsigned char)s[2] & 0xfe) == 0xa8; /* U+2028, U+2029 */
                if (c == '"' || c == '\\')
                        text_addf(t, "\\%c", c);
                else if (c == '\n' || c == '\r' || c == '\t')
                        text_addf(t, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
                else if (c < 0x20 || c == '<' || c == '>' || c == '&')
                        text_addf(t, "\\u%04x", c);
                else if (is_separator)
                        text_addf(t, "\\u202%x", (unsigned)s[2] & 0xf);
                else
                        text_add_bytes(t, s, length ? length : 1);
                s += length ? length : 1;
        }
        text_add(t, "\"");
}

/* The fewest digits that read back as value: "-1.5e+02". */
static void shortest(double value, char ret[40])
{
        for (int digits = 0; digits <= 16; digits++) {
                snprintf(ret, 40, "%.*e", digits, value);
                if (strtod(ret, NULL) == value)
                        return;
        }
}

/* d.ddde±xx as plain digits. */
static void add_plain(struct text *t, const char *digits, size_t count, int exponent)
{
        if (exponent < 0) {
                text_add(t, "0.");
                for (int i = exponent + 1; i < 0; i++)
                        text_add(t, "0");
                text_add_bytes(t, digits, count);
                return;
        }
        for (size_t i = 0; i < count || i <= (size_t)exponent; i++) {
                if (i == (size_t)exponent + 1)
                        text_add(t, ".");
                text_add_bytes(t, i < count ? digits + i : "0", 1);
        }
}

/* As encoding/json: plain from 1e-6 to below 1e21, else with an exponent of no more digits than it needs. */
static void add_number(struct text *t, const struct json_node *n)
{
        CLEAN_FREE char *written = xstrndup(n->text, n->length);
        double value = strtod(written, NULL);
        char form[40], digits[24];
        size_t count = 0;
        if (!isfinite(value)) { /* no reader of Go's takes it; group_spec_read refuses it */
                text_add(t, written);
                return;
        }
        shortest(value, form);
        char *e = strchr(form, 'e');
        int exponent = atoi(e + 1);
        for (char *c = form; c < e; c++)
                if (*c >= '0' && *c <= '9')
                        digits[count++] = *c;
        if (signbit(value))
                text_add(t, "-");
        if (value == 0 || (fabs(value) >= 1e-6 && fabs(value) < 1e21)) {
                add_plain(t, digits, count, exponent);
                return;
        }
        text_add_bytes(t, digits, 1);
        if (count > 1) {
                text_add(t, ".");
                text_add_bytes(t, digits + 1, count - 1);
        }
        text_addf(t, exponent < 0 ? "e-%d" : "e+%02d", abs(exponent));
}

/* ---- values ---- */

static void add_value(struct text *t, const struct json_node *n, unsigned depth);

static void new_line(struct text *t, unsigned depth)
{
        text_addf(t, "\n%*s", (int)(2 * (depth + 1)), "");
}

static void add_array(struct text *t, const struct json_node *n, unsigned depth)
{
        const struct json_node *element = n + 1;
        for (uint32_t i = 0; i < n->count; i++, element += element->span) {
                text_add(t, i ? "," : "");
                new_line(t, depth + 1);
                add_value(t, element, depth + 1);
        }
}

static int compare_names(const void *a, const void *b)
{
        const struct json_node *x = *(const struct json_node *const *)a, *y = *(const struct json_node *const *)b;
        int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
        return order ? order : x->length < y->length ? -1 : x->length > y->length;
}

static void add_object(struct text *t, const struct json_node *n, unsigned depth)
{
        CLEAN_FREE const struct json_node **names = xalloc(n->count, sizeof *names);
        const struct json_node *name = n + 1;
        for (uint32_t i = 0; i < n->count; i++, name = name + 1 + name[1].span)
                names[i] = name;
        qsort(names, n->count, sizeof *names, compare_names);
        for (uint32_t i = 0; i < n->count; i++) {
                text_add(t, i ? "," : "");
                new_line(t, depth + 1);
                add_string(t, names[i]);
                text_add(t, ": ");
                add_value(t, names[i] + 1, depth + 1);
        }
}

static void add_value(struct text *t, const struct json_node *n, unsigned depth)
{
        static const char *const words[] = { [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
        if (n->type == JSON_STRING) {
                add_string(t, n);
        } else if (n->type == JSON_NUMBER) {
                add_number(t, n);
        } else if (n->type == JSON_OBJECT || n->type == JSON_ARRAY) {
                bool is_object = n->type == JSON_OBJECT;
                text_add(t, is_object ? "{" : "[");
                (is_object ? add_object : add_array)(t, n, depth);
                if (n->count)
                        new_line(t, depth);
                text_add(t, is_object ? "}" : "]");
        } else {
                text_add(t, words[n->type]);
        }
}

/* InfraKit knows two members of each, and has both in what it hashes whether they were written or not. */
static void add_use(struct text *t, const struct json_node *use)
{
        static char nothing[] = "";
        static const struct json_node none = { .type = JSON_NULL, .span = 1 }, empty = { .type = JSON_STRING, .span = 1, .text = nothing };
        const struct json_node *plugin = json_member(use, "Plugin"), *properties = json_member(use, "Properties");
        text_add(t, "{");
        new_line(t, 1);
        text_add(t, "\"Plugin\": ");
        add_value(t, plugin ? plugin : &empty, 1);
        text_add(t, ",");
        new_line(t, 1);
        text_add(t, "\"Properties\": ");
        add_value(t, properties ? properties : &none, 1);
        new_line(t, 0);
        text_add(t, "}");
}

/* RFC 4648, lower case. 20 bytes are 32 letters, so nothing is padded. */
static void base32(const uint8_t in[20], char ret[33])
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
        for (size_t i = 0; i < 32; i++) {
                size_t bit = i * 5, byte = bit / 8;
                unsigned pair = (unsigned)in[byte] << 8 | (byte + 1 < 20 ? in[byte + 1] : 0);
                ret[i] = letters[pair >> (11 - bit % 8) & 31];
        }
        ret[32] = 0;
}

void group_hash(const struct json_node *instance, const struct json_node *flavor, char ret[33])
{
        CLEAN_TEXT struct text t = { 0 };
        struct sha1_ctx sha;
        uint8_t digest[SHA1_DIGEST_SIZE];
        add_use(&t, instance);
        add_use(&t, flavor);
        sha1_init(&sha);
        sha1_update(&sha, t.length, (const uint8_t *)t.data);
        sha1_digest(&sha, sizeof digest, digest);
        base32(digest, ret);
}
