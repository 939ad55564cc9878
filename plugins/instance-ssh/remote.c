/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "os/file.h"
#include "os/run_program.h"
#include "ssh.h"

enum { ANSWER_MAX = 8 << 20, LOOK_USEC = 30000000, SLACK_USEC = 30000000, LOOKERS = 16, EXIT_OF_SSH = 255 };

/* remote.sh, as bytes made by the build. */
extern const char remote_script[];

/* ---- the script ---- */

static void assign(struct text *t, const char *name, const char *value)
{
        text_addf(t, "%s='", name);
        for (const char *c = value ? value : ""; *c;) {
                size_t plain = strcspn(c, "'");
                text_add_bytes(t, c, plain);
                c += plain;
                if (*c)
                        text_add(t, "'\\''"), c++;
        }
        text_add(t, "'\n");
}

static void add_script(struct text *t, const struct host *h, const struct request *q)
{
        unsigned long long seconds = q->limit_usec / 1000000;
        assign(t, "VERB", q->verb);
        assign(t, "FOLDER", h->folder);
        assign(t, "ME", q->name);
        assign(t, "CLAIM", q->claim);
        assign(t, "OLD", q->old);
        assign(t, "PROVISION", q->provision);
        assign(t, "DESTROY", q->destroy);
        assign(t, "INIT", q->init);
        assign(t, "LOGICAL_ID", q->logical_id);
        text_addf(t, "LIMIT=%llu\nWAIT=%llu\n", seconds, seconds + 10);
        text_add(t, remote_script);
}

/* ---- ssh ---- */

static int write_known_hosts(struct ssh *s, const struct host *h, const char *key, struct error *e)
{
        CLEAN_FREE char *line = xprintf("%s %s\n", key, h->host_key), *name = xprintf("%s.known", key);
        CLEAN_TEXT struct text old = { 0 };
        int r = 0;
        (void)pthread_mutex_lock(&s->lock);
        if (file_read(s->hosts_fd, name, strlen(line) + 1, &old) < 0 || !old.data || !text_equal(old.data, line))
                r = plugin_save(s->hosts_fd, name, line, strlen(line));
        (void)pthread_mutex_unlock(&s->lock);
        return r < 0 ? error_errno(e, r, "ssh.state", "writing %s/hosts/%s", s->folder.path, name) : 0;
}

static void add_options(struct ssh *s, const struct host *h, const char *key, struct strings *argv)
{
        /* No file of the user or the host says anything here, nothing is asked, and only the key of the document is believed. */
        static const char *const always[] = {
                "-F", "none", "-T", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oGlobalKnownHostsFile=/dev/null", "-oUpdateHostKeys=no",
                "-oCheckHostIP=no", "-oVerifyHostKeyDNS=no", "-oPasswordAuthentication=no", "-oKbdInteractiveAuthentication=no",
                "-oForwardAgent=no", "-oForwardX11=no", "-oClearAllForwardings=yes", "-oPermitLocalCommand=no", "-oConnectTimeout=10",
                "-oServerAliveInterval=5", "-oServerAliveCountMax=3", "-oLogLevel=ERROR", "-oEscapeChar=none",
        };
        for (size_t i = 0; i < ELEMENTS(always); i++)
                strings_add(argv, always[i]);
        strings_take(argv, xprintf("-oUserKnownHostsFile=%s/hosts/%s.known", s->folder.path, key));
        strings_take(argv, xprintf("-oHostKeyAlias=%s", key));
        if (s->identity) {
                strings_add(argv, "-oIdentitiesOnly=yes");
                strings_take(argv, xprintf("-oIdentityFile=%s", s->identity));
        }
        if (s->multiplex) {
                strings_take(argv, xprintf("-oControlPath=%s/c/%.16s", s->folder.path, key));
                strings_add(argv, "-oControlMaster=auto");
                strings_add(argv, "-oControlPersist=60");
        }
        strings_take(argv, xprintf("-p%u", h->port));
        strings_take(argv, xprintf("-l%s", h->user));
}

static int run_ssh(struct ssh *s, const struct host *h, const struct text *script, uint64_t limit_usec, struct program_end *end,
                   struct error *e)
{
        CLEAN_STRINGS struct strings argv = { 0 };
        char key[HOST_KEY_SIZE];
        host_key_of(h, key);
        int r = write_known_hosts(s, h, key, e);
        if (r < 0)
                return r;
        strings_add(&argv, s->program);
        add_options(s, h, key, &argv);
        strings_add(&argv, "--");
        strings_add(&argv, h->address);
        strings_add(&argv, "exec /bin/sh -s");
        struct program_run run = { .argv = argv.items, .environment = s->environment.items, .input = script->data, .input_size = script->length,
                                   .output_max = ANSWER_MAX, .limit_usec = limit_usec, .hold_fd = -1 };
        r = program_run(&run, end, e);
        if (r < 0)
                return r;
        if (end->late || end->status == EXIT_OF_SSH || end->signal) {
                CLEAN_FREE char *why = program_end_words(&run, end);
                return error_set(e, EHOSTUNREACH, "ssh.unreachable", "%s, port %u: %s", h->address, h->port, why);
        }
        return 0;
}

int remote_ask(struct ssh *s, const struct host *h, const struct request *q, struct answer *ret, struct error *e)
{
        CLEAN_TEXT struct text script = { 0 };
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        bool long_one = text_equal(q->verb, "make") || text_equal(q->verb, "drop");
        /* The commands have their limit on the host: twice, for one may follow the other, after the wait for one of before. */
        uint64_t limit_usec = long_one ? 3 * q->limit_usec + SLACK_USEC : LOOK_USEC;
        add_script(&script, h, q);
        int r = run_ssh(s, h, &script, limit_usec, &end, e);
        if (r == 0)
                r = answer_parse(end.output.data, end.output.length, ret, e);
        if (r == 0 && ret->kind == ANSWER_ERROR) {
                error_set(e, EIO, "ssh.answer", "%s", ret->words);
                answer_done(ret);
                r = -EIO;
        }
        return r < 0 ? (error_while(e, "asking %s to %s", h->address, q->verb), r) : 0;
}

void remote_hang_up(struct ssh *s)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = openat(s->folder.fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || file_list(fd, &names) < 0)
                return;
        for (size_t i = 0; i < names.count; i++) {
                CLEAN_PROGRAM_END struct program_end end = { 0 };
                CLEAN_FREE char *path = xprintf("-oControlPath=%s/c/%s", s->folder.path, names.items[i]);
                char *argv[] = { s->program, (char *)"-F", (char *)"none", path, (char *)"-O", (char *)"exit", (char *)"--", (char *)"host", NULL };
                struct program_run run = { .argv = argv, .environment = s->environment.items, .limit_usec = LOOK_USEC, .hold_fd = -1 };
                struct error e = { 0 };
                (void)program_run(&run, &end, &e);
        }
}

/* ---- many at a time ---- */

struct lookers {
        struct ssh *ssh;
        struct look *looks;
        size_t count;
        atomic_size_t next;
};

static void *look_main(void *data)
{
        struct lookers *l = data;
        for (size_t i; (i = atomic_fetch_add(&l->next, 1)) < l->count;) {
                struct look *one = l->looks + i;
                struct request q = { .verb = "look" };
                one->result = remote_ask(l->ssh, one->host, &q, &one->answer, &one->error);
        }
        return NULL;
}

void look_at_all(struct ssh *s, struct look *looks, size_t count)
{
        struct lookers l = { .ssh = s, .looks = looks, .count = count };
        pthread_t threads[LOOKERS];
        size_t started = 0;
        while (started + 1 < count && started < LOOKERS && pthread_create(threads + started, NULL, look_main, &l) == 0)
                started++;
        look_main(&l);
        while (started)
                (void)pthread_join(threads[--started], NULL);
}

void looks_free(struct look *looks, size_t count)
{
        for (size_t i = 0; i < count; i++)
                answer_done(&looks[i].answer);
        free(looks);
}
