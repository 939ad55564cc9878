/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/btf.h"

#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "os/file.h"

enum { BTF_MOST = 64 << 20, QUESTIONS_MAX = 16 };

struct description {
        const char *types, *strings;
        size_t types_size, strings_size;
};

/* What follows a type, in bytes: for each member, and once. Negative: a kind that is not known, behind which nothing can be found. */
static ptrdiff_t extra_bytes(const struct btf_type *t)
{
        size_t members = BTF_INFO_VLEN(t->info);
        switch (BTF_INFO_KIND(t->info)) {
        case BTF_KIND_INT: return sizeof(uint32_t);
        case BTF_KIND_ARRAY: return sizeof(struct btf_array);
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION: return (ptrdiff_t)(members * sizeof(struct btf_member));
        case BTF_KIND_ENUM: return (ptrdiff_t)(members * sizeof(struct btf_enum));
        case BTF_KIND_ENUM64: return (ptrdiff_t)(members * 3 * sizeof(uint32_t));
        case BTF_KIND_FUNC_PROTO: return (ptrdiff_t)(members * sizeof(struct btf_param));
        case BTF_KIND_VAR: return sizeof(struct btf_var);
        case BTF_KIND_DATASEC: return (ptrdiff_t)(members * sizeof(struct btf_var_secinfo));
        case BTF_KIND_DECL_TAG: return sizeof(uint32_t);
        case BTF_KIND_PTR:
        case BTF_KIND_FWD:
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_FUNC:
        case BTF_KIND_FLOAT:
        case BTF_KIND_TYPE_TAG: return 0;
        default: return -1;
        }
}

/* The strings end with a NUL (open_description). */
static const char *name_at(const struct description *d, uint32_t offset)
{
        return offset < d->strings_size ? d->strings + offset : "";
}

static bool find_member(const struct description *d, const struct btf_type *t, const char *members, const struct btf_question *q)
{
        for (size_t i = 0; i < BTF_INFO_VLEN(t->info); i++) {
                struct btf_member m;
                memcpy(&m, members + i * sizeof m, sizeof m);
                uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m.offset) : m.offset;
                if (!text_equal(name_at(d, m.name_off), q->name) || bits % 8)
                        continue;
                *q->ret = bits / 8;
                return true;
        }
        return false;
}

static bool answers(const struct description *d, const struct btf_type *t, const char *members, uint32_t id, const struct btf_question *q)
{
        const char *name = name_at(d, t->name_off);
        if (q->structure)
                return BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT && text_equal(name, q->structure) && find_member(d, t, members, q);
        if (BTF_INFO_KIND(t->info) != BTF_KIND_FUNC || !text_equal(name, q->name))
                return false;
        *q->ret = id;
        return true;
}

static int open_description(const char *data, size_t size, struct description *ret)
{
        struct btf_header h;
        if (size < sizeof h)
                return -EBADMSG;
        memcpy(&h, data, sizeof h);
        uint64_t types = (uint64_t)h.hdr_len + h.type_off, strings = (uint64_t)h.hdr_len + h.str_off;
        if (h.magic != BTF_MAGIC || h.hdr_len < sizeof h || types + h.type_len > size || strings + h.str_len > size || !h.str_len || data[strings + h.str_len - 1])
                return -EBADMSG;
        *ret = (struct description){ data + types, data + strings, h.type_len, h.str_len };
        return 0;
}

int btf_ask_data(const void *data, size_t size, const struct btf_question *questions, size_t count)
{
        struct description d;
        bool answered[QUESTIONS_MAX] = { false };
        size_t left = count, at = 0;
        int r = count > QUESTIONS_MAX ? -E2BIG : open_description(data, size, &d);
        for (uint32_t id = 1; r == 0 && left && at + sizeof(struct btf_type) <= d.types_size; id++) {
                struct btf_type t;
                memcpy(&t, d.types + at, sizeof t);
                at += sizeof t;
                ptrdiff_t extra = extra_bytes(&t);
                if (extra < 0 || (size_t)extra > d.types_size - at)
                        return -EBADMSG;
                for (size_t i = 0; i < count; i++)
                        if (!answered[i] && answers(&d, &t, d.types + at, id, &questions[i])) {
                                answered[i] = true;
                                left--;
                        }
                at += (size_t)extra;
        }
        return r < 0 ? r : left ? -ENOENT : 0;
}

int btf_ask(const char *path, const struct btf_question *questions, size_t count)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, path, BTF_MOST, &t);
        return r < 0 ? r : btf_ask_data(t.data, t.length, questions, count);
}
