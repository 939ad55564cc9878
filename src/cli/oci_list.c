/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and ps. */
#include "cli/oci.h"
#include "runtime/members.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mutant.h"
#include "os/account.h"
#include "os/file.h"
#include "os/process.h"

enum { KEY_FORMAT = 'f', KEY_QUIET = 'q' };

struct listing {
        bool json, quiet;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct listing *l = state->input;
        switch (key) {
        case KEY_FORMAT:
                if (!text_equal(arg, "json") && !text_equal(arg, "table"))
                        argp_error(state, "--format takes table or json");
                l->json = text_equal(arg, "json");
                return 0;
        case KEY_QUIET: l->quiet = true; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static char *owner_of(const struct record *r)
{
        struct stat st;
        CLEAN_ACCOUNT struct account a = { 0 };
        if (fstat(r->dir_fd, &st) < 0)
                return xstrdup("?");
        CLEAN_FREE char *uid = xprintf("%u", st.st_uid);
        return account_find(uid, &a) == 0 ? xstrdup(a.name) : TAKE_PTR(uid);
}

static void add_row(struct text *t, struct record *r, const struct listing *l, size_t row)
{
        enum record_status s = record_status(r);
        pid_t pid = s == RECORD_STOPPED ? 0 : r->pid;
        CLEAN_FREE char *owner = owner_of(r);
        if (l->quiet)
                text_addf(t, "%s\n", r->id);
        else if (l->json) {
                struct strings none = { 0 };
                free(r->owner);
                r->owner = xstrdup(owner);
                text_add(t, row ? "," : "");
                record_state(r, pid, record_status_name(s), &none, t);
        } else
                text_addf(t, "%-24s %-8d %-10s %-36s %-32s %s\n", r->id, pid, record_status_name(s), r->bundle ? r->bundle : "",
                          r->created ? r->created : "", owner);
}

int oci_cmd_list(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = { { "format", KEY_FORMAT, "FORMAT", 0, "table or json", 0 },
                                                      { "quiet", KEY_QUIET, NULL, 0, "Names alone", 0 }, { 0 } };
        struct listing l = { 0 };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &l, .usage = "", .doc = "List containers", .id_optional = true };
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        CLEAN_FD int fd = record_root_open(g->root, false, &e);
        if (fd < 0 && fd != -ENOENT)
                return oci_say_failed(g, "cannot list the containers", &e);
        if (fd >= 0)
                (void)file_list(fd, &names);
        text_add(&t, l.quiet ? "" : l.json ? "[" : "");
        if (!l.quiet && !l.json)
                text_addf(&t, "%-24s %-8s %-10s %-36s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
        size_t rows = 0;
        for (size_t i = 0; i < names.count; i++) {
                CLEAN_RECORD struct record r = RECORD_INIT;
                if (record_id_valid(names.items[i]) && record_open(fd, names.items[i], &r, NULL) == 0)
                        add_row(&t, &r, &l, rows++);
        }
        text_add(&t, l.json && !l.quiet ? "]\n" : "");
        for (const char *p = t.data; *p; p++)
                putchar((unsigned char)*p < 0x20 && *p != '\n' && !MUTANT("raw-listing") ? '?' : *p);
        return 0;
}

/* ---- ps ---- */

/* The host's ps, of which the rows of the container's processes are shown: nothing of the image is run or read. */
static int run_ps(char **arguments, struct text *ret)
{
        int ends[2], pidfd = -EBADF, status = 0;
        static char *const usual[] = { (char *)"-ef", NULL };
        CLEAN_STRINGS struct strings argv = { 0 };
        strings_add(&argv, "ps");
        for (char *const *p = arguments && *arguments ? arguments : usual; *p; p++)
                strings_add(&argv, *p);
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        CLEAN_FD int in = ends[0], out = ends[1];
        pid_t pid = process_clone(0, -1, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0) {
                (void)dup2(out, 1);
                execvp("ps", argv.items);
                _exit(127);
        }
        fd_close(pidfd);
        out = fd_close(out);
        char chunk[4096];
        ssize_t n;
        text_add(ret, "");
        while ((n = read(in, chunk, sizeof chunk)) > 0)
                text_add_bytes(ret, chunk, (size_t)n);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static bool has_pid(const struct cgroup_pids *pids, uint64_t pid)
{
        for (size_t i = 0; i < pids->count; i++)
                if ((uint64_t)pids->items[i] == pid)
                        return true;
        return false;
}

/* The column that the head calls PID. */
static int pid_column(const char *head)
{
        CLEAN_STRINGS struct strings words = { 0 };
        (void)text_split_words(head, &words);
        for (size_t i = 0; i < words.count; i++)
                if (text_equal(words.items[i], "PID"))
                        return (int)i;
        return -1;
}

static int print_table(const struct cgroup_pids *pids, char **arguments, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = run_ps(arguments, &t);
        if (r < 0)
                return error_errno(e, r, "ps.failed", "running ps");
        char *rest = t.data, *head = strsep(&rest, "\n");
        int column = pid_column(head);
        if (column < 0)
                return error_set(e, EINVAL, "ps.failed", "what ps prints has no column PID");
        puts(head);
        for (char *line; (line = strsep(&rest, "\n"));) {
                const char *p = line;
                uint64_t pid = 0;
                for (int i = 0; i < column; i++)
                        p += strspn(p, " "), p += strcspn(p, " ");
                p += strspn(p, " ");
                CLEAN_FREE char *word = xstrndup(p, strcspn(p, " "));
                if (text_parse_uint(word, INT32_MAX, &pid) == 0 && has_pid(pids, pid))
                        puts(line);
        }
        return 0;
}

int oci_cmd_ps(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = { { "format", KEY_FORMAT, "FORMAT", 0, "table or json", 0 }, { 0 } };
        struct listing l = { 0 };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &l, .usage = "CONTAINER [OPTION OF PS...]", .takes_rest = true,
                                   .doc = "List the processes of a container" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct cgroup_pids pids = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        int k = oci_open(g, a.id, &r, &e);
        if (k == 0)
                k = members_list(&r, &pids, &e);
        for (size_t i = 0; k == 0 && l.json && i < pids.count; i++)
                printf("%s%d", i ? "," : "[", pids.items[i]);
        if (k == 0 && l.json)
                puts(pids.count ? "]" : "[]");
        if (k == 0 && !l.json)
                k = print_table(&pids, a.rest_count ? a.rest : NULL, &e);
        cgroup_pids_done(&pids);
        return k < 0 ? oci_say_failed(g, "cannot list the processes", &e) : 0;
}
