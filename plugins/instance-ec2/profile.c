/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include <string.h>

static const struct {
        const char *key;
        size_t offset;
} keys[] = {
        { "aws_access_key_id", offsetof(struct profile, access_key) },
        { "aws_secret_access_key", offsetof(struct profile, secret_key) },
        { "aws_session_token", offsetof(struct profile, session_token) },
        { "external_id", offsetof(struct profile, external_id) },
        { "region", offsetof(struct profile, region) },
        { "role_arn", offsetof(struct profile, role_arn) },
        { "role_session_name", offsetof(struct profile, role_session_name) },
        { "source_profile", offsetof(struct profile, source_profile) },
        { "web_identity_token_file", offsetof(struct profile, web_identity_token_file) },
};

/* They stand for programs and dialogues, which a service cannot go through. */
static const char *const unsupported[] = { "credential_process", "credential_source", "mfa_serial", "sso_session", "sso_start_url" };

void profile_done(struct profile *p)
{
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                secret_free(*(char **)((char *)p + keys[i].offset));
        free(p->unsupported);
        *p = (struct profile){ 0 };
}

static char *strip(char *s)
{
        static const char blanks[] = " \t\r";
        s += strspn(s, blanks);
        size_t n = strlen(s);
        while (n && strchr(blanks, s[n - 1]))
                s[--n] = '\0';
        return s;
}

/* Whether the header of a section, without its brackets, is that of the profile. */
static bool is_section_of(char *header, bool config, const char *name)
{
        header = strip(header);
        if (config && text_equal(header, "default"))
                return text_equal(name, "default");
        if (config) {
                if (!text_starts(header, "profile ") && !text_starts(header, "profile\t"))
                        return false;
                header = strip(header + strlen("profile"));
        }
        size_t n = strlen(header);
        if (n >= 2 && (*header == '"' || *header == '\'') && header[n - 1] == *header) {
                header[n - 1] = '\0';
                header++;
        }
        return text_equal(header, name);
}

struct reader {
        const char *file;
        unsigned line;
        struct profile *into;
        uint64_t seen; /* keys of this file */
        struct error *e;
};

static int fault(const struct reader *r, const char *what)
{
        return error_set(r->e, EINVAL, "aws.credentials-file", "%s: line %u: %s", r->file, r->line, what);
}

static int take_pair(struct reader *r, char *line)
{
        size_t n = strcspn(line, "=:");
        if (!line[n])
                return fault(r, "neither a section nor a value");
        line[n] = '\0';
        const char *key = strip(line), *value = strip(line + n + 1);
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                char **target = (char **)((char *)r->into + keys[i].offset);
                if (strcasecmp(keys[i].key, key) != 0)
                        continue;
                if (r->seen & UINT64_C(1) << i)
                        return fault(r, "the value stands there twice");
                r->seen |= UINT64_C(1) << i;
                if (!*target && *value)
                        *target = xstrdup(value);
        }
        for (size_t i = 0; i < ELEMENTS(unsupported) && !r->into->unsupported; i++)
                if (!strcasecmp(unsupported[i], key))
                        r->into->unsupported = xstrdup(unsupported[i]);
        return 0;
}

int profile_read(const char *file, const char *text, bool config, const char *name, struct profile *ret, struct error *e)
{
        struct reader r = { .file = file, .into = ret, .e = e };
        char *copy = xstrdup(text), *rest = copy;
        bool ours = false;
        int result = 0;
        for (char *line; result == 0 && (line = strsep(&rest, "\n"));) {
                bool nested = *line == ' ' || *line == '\t'; /* belongs to the value before, such as "s3 =" */
                r.line++;
                line = strip(line);
                if (!*line || *line == '#' || *line == ';' || nested)
                        continue;
                char *end = strchr(line, ']');
                if (*line != '[') {
                        result = ours ? take_pair(&r, line) : 0;
                } else if (end) {
                        *end = '\0';
                        ours = is_section_of(line + 1, config, name);
                        ret->found |= ours;
                } else {
                        result = fault(&r, "a section without its end");
                }
        }
        secret_free(copy);
        return result;
}
