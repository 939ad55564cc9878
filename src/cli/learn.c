/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead learn: watches a command and writes the tightest drop-in under which it still works. */
#include "cli/learn.h"

#include <argp.h>
#include <fcntl.h>
#include <string.h>

#include "base/exit_status.h"
#include "cli/commands.h"
#include "os/file.h"

enum { KEY_UNIT = 256, KEY_OUTPUT, KEY_RUNS, KEY_MERGE, KEY_VERIFY, KEY_FOR, KEY_EXERCISE, KEY_LENIENT, KEY_USER, KEY_SYSTEM };
enum { RUNS_MAX = 1000, SECONDS_MAX = 86400 };

static const struct argp_option options[] = {
        { "unit", KEY_UNIT, "UNIT", 0, "Learn from the service of a unit's file, within its directives", 1 },
        { "property", 'p', "NAME=VALUE", 0, "A directive that holds while it is watched", 1 },
        { "runs", KEY_RUNS, "N", 0, "Watch it N times", 2 },
        { "for", KEY_FOR, "SECONDS", 0, "End it after that time, with SIGTERM", 2 },
        { "exercise", KEY_EXERCISE, "COMMAND", 0, "Run this client by the shell while it is up, then end it", 2 },
        { "merge", KEY_MERGE, "FILE", 0, "Add what is seen to the observations in FILE, and learn from all", 2 },
        { "verify", KEY_VERIFY, "BOOL", OPTION_ARG_OPTIONAL, "Run it under the result, and drop what it does not bear (default: yes)", 3 },
        { "output", KEY_OUTPUT, "FILE", 0, "Write the drop-in to FILE", 3 },
        { "json", 'j', NULL, 0, "Print JSON", 3 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 3 },
        { "user", KEY_USER, NULL, 0, "As an ordinary user's service", 4 },
        { "system", KEY_SYSTEM, NULL, 0, "As a service of the system", 4 },
        { "lenient", KEY_LENIENT, NULL, 0, "Ignore with a note what is invalid or refused, as systemd does", 4 },
        { 0 },
};

static error_t parse_number(struct argp_state *state, const char *arg, uint64_t max, const char *name, unsigned *ret)
{
        uint64_t n;
        if (text_parse_uint(arg, max, &n) < 0 || n == 0)
                argp_error(state, "--%s takes a number from 1 to %llu", name, (unsigned long long)max);
        *ret = (unsigned)n;
        return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct learn_options *o = state->input;
        switch (key) {
        case KEY_UNIT: o->unit = arg; return 0;
        case 'p': strings_add(&o->properties, arg); return 0;
        case KEY_RUNS: return parse_number(state, arg, RUNS_MAX, "runs", &o->runs);
        case KEY_FOR: return parse_number(state, arg, SECONDS_MAX, "for", &o->seconds);
        case KEY_EXERCISE: o->exercise = arg; return 0;
        case KEY_MERGE: o->merge = arg; return 0;
        case KEY_VERIFY:
                if (arg && text_parse_bool(arg, &o->verify) < 0)
                        argp_error(state, "--verify takes yes or no");
                return 0;
        case KEY_OUTPUT: o->output = arg; return 0;
        case 'j': o->json = true; return 0;
        case 'q': o->quiet = true; return 0;
        case KEY_USER: o->user_mode = true; return 0;
        case KEY_SYSTEM: o->user_mode = false; return 0;
        case KEY_LENIENT: o->lenient = true; return 0;
        case ARGP_KEY_ARG:
                /* The first word that is no option ends ours: the rest is the command's. */
                for (int i = state->next - 1; i < state->argc; i++)
                        strings_add(&o->argv, state->argv[i]);
                state->next = state->argc;
                return 0;
        case ARGP_KEY_END:
                if (!o->argv.count && !o->unit)
                        argp_error(state, "which command?");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- watching ---- */

static int read_observations(struct learn_session *s, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, s->o->merge, OBSERVED_JSON_MAX, &t);
        if (r == -ENOENT || (r == 0 && !t.length))
                return 0; /* the first time */
        if (r < 0)
                return error_errno(e, r, "learn.read", "reading %s", s->o->merge);
        return observations_parse(&s->seen, s->o->merge, t.data, t.length, e);
}

static int write_whole(const char *path, const struct text *t, struct error *e)
{
        int r = file_replace(AT_FDCWD, path, t->data, t->length, 0644);
        return r < 0 ? error_errno(e, r, "learn.write", "writing %s", path) : 0;
}

static int write_observations(const struct learn_session *s, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        observations_format(&s->seen, &t);
        return write_whole(s->o->merge, &t, e);
}

static void take_command(struct learn_session *s)
{
        const struct learn_options *o = s->o;
        if (s->seen.command.count)
                return;
        for (size_t i = 0; i < o->argv.count; i++)
                strings_add(&s->seen.command, o->argv.items[i]);
        if (!o->argv.count && o->unit)
                strings_add(&s->seen.command, o->unit);
}

/* One watched run. Its failure is told by the exit status where its sandbox, not the program, has failed. */
static int watch_once(struct learn_session *s, unsigned i, struct error *e)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        struct learn_outcome out;
        if (s->o->runs > 1)
                learn_progress(s, "watching run %u of %u", i + 1, s->o->runs);
        else
                learn_progress(s, "watching");
        int r = learn_run(s, NULL, true, &o, &out, e);
        if (r < 0)
                return r;
        if (out.interrupted)
                return error_set(e, EINTR, "learn.interrupted", "interrupted while it was watched");
        if (!out.started) {
                error_set(e, ECHILD, "learn.start", "it did not start, for the reason given above");
                error_status(e, out.status);
                return -ECHILD;
        }
        if (out.exercise) {
                error_set(e, EPROTO, "learn.exercise", "the client ended with status %d", out.exercise);
                error_hint(e, "it must succeed while the service is watched: its status is the measure for the result");
                return -EPROTO;
        }
        if (out.status)
                learn_progress(s, "the command ended with status %d, and will be expected to", out.status);
        observations_merge(&s->seen, &o);
        return 0;
}

static int watch(struct learn_session *s, struct error *e)
{
        int r = s->o->merge ? read_observations(s, e) : 0;
        take_command(s);
        for (unsigned i = 0; r == 0 && i < s->o->runs; i++)
                r = watch_once(s, i, e);
        return r == 0 && s->o->merge ? write_observations(s, e) : r;
}

/* ---- what comes out ---- */

struct result {
        struct text drop_in;
        unsigned before, after;
        const char *rating_before, *rating_after;
};

static void add_head(const struct learn_session *s, struct strings *head)
{
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < s->seen.command.count && t.length < 200; i++)
                text_addf(&t, " %.100s", s->seen.command.items[i]);
        for (char *c = t.data; c && *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f)
                        *c = '?';
        strings_take(head, xprintf("Learned by \"bulkhead learn\" from %u run%s of%s", s->seen.runs, s->seen.runs == 1 ? "" : "s", t.data ? t.data : ""));
        strings_take(head, s->verified ? xprintf("Verified: it did the same under these directives, after %u trial run%s", s->trials, s->trials == 1 ? "" : "s")
                                       : xstrdup("Not verified: nothing was run under these directives"));
}

static void compose(const struct learn_session *s, struct result *r)
{
        CLEAN_STRINGS struct strings head = { 0 };
        CLEAN_TEXT struct text body = { 0 };
        add_head(s, &head);
        learn_format(&s->learned, &head, &body);
        learn_score(s, NULL, &r->before, &r->rating_before);
        learn_score(s, body.data, &r->after, &r->rating_after);
        text_addf(&r->drop_in, "# Exposure: %u.%u %s before, %u.%u %s with this (bulkhead score)\n", r->before / 10, r->before % 10,
                  r->rating_before, r->after / 10, r->after % 10, r->rating_after);
        text_add(&r->drop_in, body.data);
}

static void add_row(const struct learned_row *row, struct text *t)
{
        text_add(t, "{\"directive\":");
        text_add_json(t, row->directive);
        text_add(t, ",\"assignments\":[");
        for (size_t i = 0; i < row->assignments.count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, row->assignments.items[i]);
        }
        text_add(t, "],\"seen\":");
        text_add_json(t, row->seen);
        text_add(t, ",\"dropped\":");
        if (row->dropped)
                text_add_json(t, row->dropped);
        else
                text_add(t, "null");
        text_add(t, "}");
}

static void print_json(const struct learn_session *s, const struct result *r)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "{\"runs\":%u,\"trials\":%u,\"verified\":%s,\n\"before\":{\"exposure\":%u.%u,\"rating\":\"%s\"},", s->seen.runs, s->trials,
                  s->verified ? "true" : "false", r->before / 10, r->before % 10, r->rating_before);
        text_addf(&t, "\"after\":{\"exposure\":%u.%u,\"rating\":\"%s\"},\n\"rows\":[", r->after / 10, r->after % 10, r->rating_after);
        for (size_t i = 0; i < s->learned.count; i++) {
                text_add(&t, i ? ",\n" : "\n");
                add_row(&s->learned.rows[i], &t);
        }
        text_add(&t, "],\n\"notes\":[");
        for (size_t i = 0; i < s->learned.notes.count; i++) {
                text_add(&t, i ? "," : "");
                text_add_json(&t, s->learned.notes.items[i]);
        }
        text_add(&t, "],\n\"drop_in\":");
        text_add_json(&t, r->drop_in.data);
        text_add(&t, ",\n\"observations\":");
        observations_format(&s->seen, &t);
        text_add(&t, "}\n");
        (void)fwrite(t.data, 1, t.length, stdout);
}

static int hand_out(struct learn_session *s, struct error *e)
{
        struct result r = { 0 };
        compose(s, &r);
        int k = s->o->output ? write_whole(s->o->output, &r.drop_in, e) : 0;
        if (k == 0 && s->o->json)
                print_json(s, &r);
        else if (k == 0 && !s->o->output)
                (void)fwrite(r.drop_in.data, 1, r.drop_in.length, stdout);
        if (k == 0) {
                learn_progress(s, "exposure before: %u.%u %s", r.before / 10, r.before % 10, r.rating_before);
                learn_progress(s, "exposure after:  %u.%u %s", r.after / 10, r.after % 10, r.rating_after);
        }
        text_clear(&r.drop_in);
        if (k == 0 && fflush(stdout) != 0)
                return error_errno(e, errno, "learn.write", "writing to standard output");
        return k;
}

static int learn(struct learn_session *s, struct error *e)
{
        int r = learn_load_unit(s, e);
        if (r == 0)
                r = watch(s, e);
        if (r < 0)
                return r;
        learn_find_hidden(s);
        const struct learn_facts facts = { &s->seen, &s->given, &s->hidden };
        learn_derive(&facts, &s->learned);
        r = s->o->verify ? learn_verify(s, e) : 0;
        return r == 0 ? hand_out(s, e) : r;
}

static void session_done(struct learn_session *s)
{
        if (s->o->unit)
                like_done(&s->like);
        free(s->state_root);
        strings_clear(&s->given);
        strings_clear(&s->hidden);
        observations_done(&s->seen);
        learned_done(&s->learned);
}

int cmd_learn(int argc, char **argv)
{
        static const struct argp argp = { options, parse_option, "[COMMAND [ARGUMENT...]]",
                                          "Watch a command, and write the tightest directives under which it still works", NULL, NULL, NULL };
        struct learn_options o = { .runs = 1, .verify = true, .user_mode = geteuid() != 0 };
        CLEAN(session_done) struct learn_session s = { .o = &o };
        struct error e = { 0 };
        if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o) != 0)
                return 1;
        s.input_offset = lseek(0, 0, SEEK_CUR);
        learn_catch_signals();
        int r = learn(&s, &e);
        if (s.counting)
                fputc('\n', stderr);
        if (r < 0) {
                CLEAN_FREE char *subject = xprintf("cannot learn from \"%.200s\"", o.argv.count ? o.argv.items[0] : o.unit);
                error_print(stderr, "bulkhead", subject, &e);
        }
        strings_clear(&o.properties);
        strings_clear(&o.argv);
        if (learn_interrupted())
                return 128 + learn_interrupted();
        return r < 0 ? e.exit_status ? e.exit_status : 1 : 0;
}
