/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/account.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mutant.h"
#include "os/file.h"

enum { DATABASE_MAX = 16 << 20, FIELDS_MAX = 8 };

/* Splits a line at colons in place; returns the number of fields. */
static size_t split_line(char *line, char *field[FIELDS_MAX])
{
        size_t n = 0;
        for (char *p = line; p && n < FIELDS_MAX; n++) {
                field[n] = p;
                p = strchr(p, ':');
                if (p)
                        *p++ = 0;
        }
        return n;
}

typedef bool (*line_match)(char **field, size_t n, const void *key);

/* The first line of text that matches, split into field; text is changed. */
static bool find_line(char *text, line_match match, const void *key, char **field, size_t *ret_n)
{
        for (char *line = text; line && *line;) {
                char *next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                *ret_n = split_line(line, field);
                if (*ret_n >= 3 && match(field, *ret_n, key))
                        return true;
                line = next;
        }
        return false;
}

static bool match_name(char **field, size_t n, const void *key)
{
        (void)n;
        return text_equal(field[0], key);
}

static bool match_id(char **field, size_t n, const void *key)
{
        (void)n;
        return text_equal(field[2], key);
}

extern char **environ;

/* What getent says of one key; the name service may know more than the files. */
static int ask_getent(const char *database, const char *key, struct text *ret)
{
        int ends[2], status;
        pid_t pid;
        char *argv[] = { (char *)"getent", (char *)"--", (char *)database, (char *)key, NULL };
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        CLEAN_FD int in = ends[0], out = ends[1];
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        int r = posix_spawnp(&pid, "getent", &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        out = fd_close(out);
        if (r)
                return -r;
        char chunk[4096];
        ssize_t n;
        while ((n = read(in, chunk, sizeof chunk)) > 0 && ret->length < 65536)
                text_add_bytes(ret, chunk, (size_t)n);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 && ret->length ? 0 : -ESRCH;
}

static bool is_number(const char *s)
{
        return *s && s[strspn(s, "0123456789")] == 0;
}

/* The entry of key in /etc/passwd or /etc/group, or as getent has it. *ret owns the text that field points into. */
static int find_entry(const char *database, const char *key, struct text *ret, char **field, size_t *ret_n)
{
        CLEAN_FREE char *path = xprintf("/etc/%s", database);
        line_match match = is_number(key) && !MUTANT("user-by-name") ? match_id : match_name;
        if (file_read(AT_FDCWD, path, DATABASE_MAX, ret) == 0 && find_line(ret->data, match, key, field, ret_n))
                return 0;
        text_clear(ret);
        if (is_number(key))
                return -ESRCH; /* a number needs no name; do not wait for a name service */
        int r = ask_getent(database, key, ret);
        if (r < 0)
                return r;
        return find_line(ret->data, match, key, field, ret_n) ? 0 : -ESRCH;
}

int account_find(const char *name, struct account *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        char *field[FIELDS_MAX];
        size_t n = 0;
        uint64_t uid, gid;
        int r = find_entry("passwd", name, &t, field, &n);
        if (r == 0 && (n < 7 || text_parse_uint(field[2], UINT32_MAX - 1, &uid) < 0 ||
                       text_parse_uint(field[3], UINT32_MAX - 1, &gid) < 0))
                return -EBADMSG;
        if (r == 0) {
                *ret = (struct account){ (uid_t)uid, (gid_t)gid, xstrdup(field[0]), xstrdup(*field[5] ? field[5] : "/"),
                                         xstrdup(*field[6] ? field[6] : "/bin/sh") };
                return 0;
        }
        if (!is_number(name) || text_parse_uint(name, UINT32_MAX - 1, &uid) < 0)
                return r == -ESRCH ? r : -ESRCH;
        *ret = (struct account){ (uid_t)uid, (gid_t)uid, xstrdup(name), xstrdup("/"), xstrdup("/bin/sh") };
        return 0;
}

static const char *absolute_variable(const char *name)
{
        const char *v = name ? secure_getenv(name) : NULL;
        return v && *v == '/' ? v : NULL;
}

char *account_folder(const struct account *a, enum user_folder which)
{
        static const struct {
                const char *variable, *below_home, *rest;
        } rows[] = {
                [USER_HOME] = { NULL, "", "" },
                [USER_CONFIGURATION] = { "XDG_CONFIG_HOME", "/.config", "" },
                [USER_STATE] = { "XDG_STATE_HOME", "/.local/state", "" },
                [USER_CACHE] = { "XDG_CACHE_HOME", "/.cache", "" },
                [USER_LOGS] = { "XDG_STATE_HOME", "/.local/state", "/log" },
        };
        const char *top = absolute_variable(rows[which].variable), *home = absolute_variable("HOME");
        return xprintf("%s%s%s", top ? top : home ? home : a->home, top ? "" : rows[which].below_home, rows[which].rest);
}

int account_find_group(const char *name, gid_t *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        char *field[FIELDS_MAX];
        size_t n = 0;
        uint64_t gid;
        if (is_number(name)) {
                if (text_parse_uint(name, UINT32_MAX - 1, &gid) < 0)
                        return -ESRCH;
        } else {
                int r = find_entry("group", name, &t, field, &n);
                if (r < 0)
                        return -ESRCH;
                if (text_parse_uint(field[2], UINT32_MAX - 1, &gid) < 0)
                        return -EBADMSG;
        }
        *ret = (gid_t)gid;
        return 0;
}

bool account_id_taken(uid_t id)
{
        static const char *const paths[] = { "/etc/passwd", "/etc/group" };
        CLEAN_FREE char *key = xprintf("%u", id);
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                CLEAN_TEXT struct text t = { 0 };
                char *field[FIELDS_MAX];
                size_t n;
                if (file_read(AT_FDCWD, paths[i], DATABASE_MAX, &t) == 0 && find_line(t.data, match_id, key, field, &n))
                        return true;
        }
        return false;
}

static bool lists_member(const char *members, const char *name)
{
        size_t k = strlen(name);
        for (const char *p = members; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
                if (!strncmp(p, name, k) && (p[k] == ',' || p[k] == 0))
                        return true;
        return false;
}

int account_groups(const char *name, gid_t primary, gid_t **ret, size_t *ret_count)
{
        CLEAN_TEXT struct text t = { 0 };
        gid_t *groups = NULL;
        size_t count = 0, room = 0;
        groups = xgrow(groups, &room, 1, sizeof *groups);
        groups[count++] = primary;
        int r = file_read(AT_FDCWD, "/etc/group", DATABASE_MAX, &t);
        for (char *line = r == 0 ? t.data : NULL; line && *line;) {
                char *field[FIELDS_MAX], *next = strchr(line, '\n');
                uint64_t gid;
                if (next)
                        *next++ = 0;
                if (split_line(line, field) >= 4 && lists_member(field[3], name) &&
                    text_parse_uint(field[2], UINT32_MAX - 1, &gid) == 0 && (gid_t)gid != primary) {
                        groups = xgrow(groups, &room, count + 1, sizeof *groups);
                        groups[count++] = (gid_t)gid;
                }
                line = next;
        }
        *ret = groups;
        *ret_count = count;
        return 0;
}

void account_done(struct account *a)
{
        free(a->name);
        free(a->home);
        free(a->shell);
        *a = (struct account){ 0 };
}
