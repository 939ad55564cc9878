/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_auth.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

/* etcd hashes the password slowly, on purpose; on a busy machine that takes its time. Refusals cost it as much: they are not asked for at once again. */
enum { LOGIN_TIMEOUT_USEC = 5000000, REFUSED_USEC = 1000000, PASSWORD_MAX = 4096 };

/* ---- the password ---- */

static int open_password(const char *file, struct error *e)
{
        CLEAN_FREE char *path = NULL;
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        struct stat st;
        if (strchr(file, '/'))
                path = xstrdup(file);
        else if (folder && *folder == '/')
                path = xprintf("%s/%s", folder, file);
        else
                return error_set(e, ENOENT, "etcd.password", "\"%.80s\" is the name of a credential, and CREDENTIALS_DIRECTORY is not set", file);
        CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, errno, "etcd.password", "%s", path);
        if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()))
                return error_set(e, EPERM, "etcd.password", "%s is no regular file of root's or of ours", path);
        if (st.st_mode & (S_IRWXO | S_IWGRP)) {
                (void)error_set(e, EPERM, "etcd.password", "%s has the mode %03o: others can read or change it", path, (unsigned)st.st_mode & 0777);
                error_hint(e, "chmod 0600 %s", path);
                return -EPERM;
        }
        return TAKE_FD(fd);
}

int etcd_password_read(const char *file, char **ret, struct error *e)
{
        char room[PASSWORD_MAX + 1];
        CLEAN_FD int fd = open_password(file, e);
        if (fd < 0)
                return fd;
        ssize_t n = read(fd, room, sizeof room);
        if (n < 0)
                return error_errno(e, errno, "etcd.password", "reading %s", file);
        bool whole = n <= PASSWORD_MAX;
        if (n && room[n - 1] == '\n')
                n--;
        bool good = whole && n && !memchr(room, 0, (size_t)n);
        if (good)
                *ret = xstrndup(room, (size_t)n);
        explicit_bzero(room, sizeof room);
        return good ? 0 : error_set(e, EINVAL, "etcd.password", "%s is empty, no text, or has more than %d bytes", file, PASSWORD_MAX);
}

/* ---- waiting lanes ---- */

static struct etcd_lane *take_waiting(struct etcd_auth *a)
{
        struct etcd_lane *l = a->waiting;
        if (l) {
                a->waiting = l->next_waiting;
                l->next_waiting = NULL;
                l->waiting = false;
        }
        return l;
}

void etcd_auth_forget(struct etcd_auth *a, struct etcd_lane *l)
{
        struct etcd_lane **at = &a->waiting;
        if (!l->waiting)
                return;
        while (*at != l)
                at = &(*at)->next_waiting;
        *at = l->next_waiting;
        l->next_waiting = NULL;
        l->waiting = false;
}

/* ---- logging in ---- */

/* What etcd says of a login, as an error; 0: there is a token. */
static int judge(const struct etcd_auth *a, const struct etcd_reply *reply, struct error *e)
{
        if (!reply->failed)
                return reply->token ? 0 : error_set(e, EPROTO, "etcd.login", "etcd answered without a token");
        (void)error_set(e, EACCES, "etcd.login", "user \"%.80s\": %.200s", a->user, reply->message);
        if (strstr(reply->message, "not enabled"))
                error_hint(e, "enable it (etcdctl auth enable), or leave --etcd-user out");
        else
                error_hint(e, "the password is read from %.200s at each login", a->password_file);
        return -EACCES;
}

static void logged_in(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_auth *a = LOOP_OWNER(c, struct etcd_auth, login);
        struct error e = { 0 };
        struct etcd_lane *l;
        secret_text_clear(&c->body);
        etcd_lane_reset(&a->lane); /* seldom used: no connection is kept */
        int r = reply ? judge(a, reply, &e) : (int)why->code;
        if (r < 0 && reply) {
                a->refused = e;
                a->refused_until_usec = loop_fresh_usec(a->client->loop) + REFUSED_USEC;
        }
        if (r == 0) {
                secret_clear(&a->token);
                a->token = TAKE_PTR(reply->token);
                a->number++;
        }
        while ((l = take_waiting(a)))
                if (r < 0)
                        etcd_lane_denied(l, reply ? &e : why);
                else
                        etcd_lane_go_on(l);
}

static int log_in(struct etcd_auth *a, struct error *e)
{
        CLEAN_SECRET char *password = NULL;
        int r = etcd_password_read(a->password_file, &password, e);
        if (r < 0)
                return r;
        secret_text_clear(&a->login.body);
        etcd_login_request(&a->login.body, a->user, password);
        etcd_lane_call(&a->lane, &a->login);
        return 0;
}

int etcd_auth_wait(struct etcd_auth *a, struct etcd_lane *l, struct error *e)
{
        if (!a->login.in_hand) {
                if (loop_fresh_usec(a->client->loop) < a->refused_until_usec) {
                        if (e)
                                *e = a->refused;
                        return a->refused.code;
                }
                int r = log_in(a, e);
                if (r < 0)
                        return r;
        }
        l->waiting = true;
        l->next_waiting = a->waiting;
        a->waiting = l;
        return 0;
}

void etcd_auth_spent(struct etcd_auth *a, unsigned number)
{
        if (number == a->number)
                secret_clear(&a->token);
}

/* ---- life ---- */

void etcd_auth_init(struct etcd_auth *a)
{
        a->login = (struct etcd_call){ .path = "/v3/auth/authenticate", .timeout_usec = LOGIN_TIMEOUT_USEC, .done = logged_in, .login = true };
        etcd_lane_init(&a->lane, a->client);
}

void etcd_auth_done(struct etcd_auth *a)
{
        while (take_waiting(a))
                continue;
        etcd_lane_reset(&a->lane);
        secret_text_clear(&a->login.body);
        secret_clear(&a->token);
}
