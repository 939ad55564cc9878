/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "os/run_program.h"
#include "vagrant.h"

enum { OUTPUT_MAX = 1 << 16, WORDS_MAX = 8 };

static enum machine_state state_of(const char *word, size_t size)
{
        static const struct {
                const char *word;
                enum machine_state state;
        } words[] = {
                { "running", MACHINE_RUNNING },
                { "not_created", MACHINE_ABSENT },
                { "poweroff", MACHINE_STOPPED },
                { "shutoff", MACHINE_STOPPED },
                { "stopped", MACHINE_STOPPED },
                { "aborted", MACHINE_STOPPED },
        };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strlen(words[i].word) == size && !memcmp(words[i].word, word, size))
                        return words[i].state;
        return MACHINE_UNKNOWN;
}

/* The field of that index between commas; false where the line has fewer. */
static bool field(const char *line, const char *end, unsigned index, const char **ret, size_t *ret_size)
{
        for (; index; index--) {
                line = memchr(line, ',', (size_t)(end - line));
                if (!line)
                        return false;
                line++;
        }
        const char *comma = memchr(line, ',', (size_t)(end - line));
        *ret = line;
        *ret_size = (size_t)((comma ? comma : end) - line);
        return true;
}

enum machine_state status_parse(const char *text, size_t size)
{
        static const unsigned rank[] = { [MACHINE_RUNNING] = 4, [MACHINE_UNKNOWN] = 3, [MACHINE_STOPPED] = 2, [MACHINE_ABSENT] = 1 };
        enum machine_state found = MACHINE_UNKNOWN;
        unsigned highest = 0;
        for (const char *line = text, *end = text + size; size && line < end;) {
                const char *stop = memchr(line, '\n', (size_t)(end - line)), *kind, *word;
                size_t kind_size, word_size;
                if (!stop)
                        stop = end;
                if (field(line, stop, 2, &kind, &kind_size) && kind_size == 5 && !memcmp(kind, "state", 5) &&
                    field(line, stop, 3, &word, &word_size)) {
                        enum machine_state s = state_of(word, word_size);
                        if (rank[s] > highest)
                                highest = rank[s], found = s;
                }
                line = stop + 1;
        }
        return found;
}

int vagrant_run(const struct vagrant *v, const char *id, int work_fd, uint64_t limit_usec, const char *const *words, struct text *ret_output,
                struct error *e)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        CLEAN_FREE char *folder = xprintf("%s/%s", v->folder.path, id);
        const char *argv[WORDS_MAX + 2] = { v->program };
        for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
                argv[i + 1] = words[i];
        struct program_run run = { .argv = (char *const *)argv, .environment = v->environment.items, .folder = folder,
                                   .output_max = OUTPUT_MAX, .limit_usec = limit_usec, .hold_fd = work_fd };
        int r = program_run(&run, &end, e);
        if (r < 0)
                return r;
        if (end.status) {
                CLEAN_FREE char *why = program_end_words(&run, &end);
                return error_set(e, end.late ? ETIMEDOUT : EIO, "vagrant.failed", "vagrant %s of %s: %s", words[0], id, why);
        }
        if (ret_output)
                text_add_bytes(ret_output, end.output.data ? end.output.data : "", end.output.length);
        return 0;
}
