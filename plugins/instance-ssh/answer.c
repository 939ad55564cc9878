/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host answers. It is the host's own word about itself, and read as untrusted text. */
#include <string.h>

#include "ssh.h"

#define MARK "bulkhead-answer: "
enum { WORDS_MAX = 400 };

void answer_done(struct answer *a)
{
        free(a->words);
        instance_record_done(&a->record);
        *a = (struct answer){ 0 };
}

/* A line of text that ends at a newline or at the end. */
struct line {
        const char *start, *end;
};

static bool starts(struct line l, const char *word)
{
        size_t n = strlen(word);
        return (size_t)(l.end - l.start) >= n && !memcmp(l.start, word, n);
}

static struct line line_at(const char *start, const char *end)
{
        const char *stop = start < end ? memchr(start, '\n', (size_t)(end - start)) : NULL;
        return (struct line){ start, stop ? stop : end };
}

/* The line with the mark: what files of the login shell print may stand before it. */
static bool find_mark(const char *text, size_t size, struct line *ret)
{
        for (const char *at = text, *end = text + size; at < end;) {
                struct line l = line_at(at, end);
                if (starts(l, MARK)) {
                        *ret = (struct line){ l.start + sizeof MARK - 1, l.end };
                        return true;
                }
                at = l.end + 1;
        }
        return false;
}

/* What follows as words for an error: the end, on one line. */
static char *words_of(const char *text, size_t size)
{
        size_t from = size > WORDS_MAX ? size - WORDS_MAX : 0;
        char *words = xstrndup(text + from, size - from);
        for (char *c = words; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        *c = ' ';
        for (size_t n = strlen(words); n && words[n - 1] == ' ';)
                words[--n] = 0;
        return words;
}

/* "NAME STAGE" and the record on the next line, whose own stage is what it was at first. */
static int read_claim(struct line l, const char *rest, size_t size, struct answer *a, struct error *e)
{
        CLEAN_FREE char *words = xstrndup(l.start, (size_t)(l.end - l.start));
        char *stage = strchr(words, ' ');
        if (!stage)
                return error_set(e, EBADMSG, "ssh.answer", "the claim on the host is damaged");
        *stage++ = 0;
        while (size && rest[size - 1] == '\n')
                size--;
        int r = instance_record_parse("the claim on the host", rest, size, &a->record, e);
        if (r < 0)
                return r;
        a->words = xstrndup(rest, size);
        for (int i = 0; i < STAGES; i++)
                if (text_equal(stage, instance_stage_names[i]) && text_equal(words, a->record.name)) {
                        a->record.stage = (enum instance_stage)i;
                        return 0;
                }
        return error_set(e, EBADMSG, "ssh.answer", "the claim on the host is damaged");
}

static const struct {
        const char *word;
        enum answer_kind kind;
        bool code;
} kinds[] = {
        { "free", ANSWER_FREE, false },         { "claim ", ANSWER_CLAIM, false },     { "taken", ANSWER_TAKEN, false },
        { "busy", ANSWER_BUSY, false },         { "ready", ANSWER_READY, false },      { "failed ", ANSWER_FAILED, true },
        { "stuck ", ANSWER_STUCK, true },       { "labelled", ANSWER_LABELLED, false }, { "changed", ANSWER_CHANGED, false },
        { "error ", ANSWER_ERROR, false },
};

static int read_answer(struct line l, const char *rest, size_t size, struct answer *a, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                if (!starts(l, kinds[i].word))
                        continue;
                struct line more = { l.start + strlen(kinds[i].word), l.end };
                CLEAN_FREE char *word = xstrndup(more.start, (size_t)(more.end - more.start));
                uint64_t code = 0;
                a->kind = kinds[i].kind;
                if (kinds[i].code && text_parse_uint(word, 255, &code) < 0)
                        break;
                a->code = (uint32_t)code;
                if (a->kind == ANSWER_CLAIM)
                        return read_claim(more, rest, size, a, e);
                a->words = a->kind == ANSWER_ERROR ? words_of(word, strlen(word)) : words_of(rest, size);
                return 0;
        }
        return error_set(e, EBADMSG, "ssh.answer", "the host's answer is not understood");
}

int answer_parse(const char *text, size_t size, struct answer *ret, struct error *e)
{
        CLEAN_ANSWER struct answer a = { 0 };
        struct line l;
        if (!size || !find_mark(text, size, &l))
                return error_set(e, EBADMSG, "ssh.answer", "the host gave no answer: what was to run there did not, or was ended");
        const char *rest = l.end < text + size ? l.end + 1 : l.end;
        int r = read_answer(l, rest, (size_t)(text + size - rest), &a, e);
        if (r < 0)
                return r;
        *ret = a;
        a = (struct answer){ 0 };
        return 0;
}
