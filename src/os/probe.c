/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/probe_internal.h"

/* ---- facts ---- */

static const char *const namespace_kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
static const char *const host_folders[] = { "/", "/tmp", "/var/tmp", "/home", "/root", "/run/user" };

void probe_add_node(struct strings *ret, const char *key, const char *path)
{
        struct stat st;
        if (stat(path, &st) == 0)
                strings_take(ret, xprintf("%s.%s=%llu:%llu", key, path, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino));
}

void probe_host_facts(struct strings *ret)
{
        for (size_t i = 0; i < ELEMENTS(namespace_kinds); i++) {
                CLEAN_FREE char *path = xprintf("/proc/self/ns/%s", namespace_kinds[i]);
                struct stat st;
                if (stat(path, &st) == 0)
                        strings_take(ret, xprintf("ns.%s=%llu", namespace_kinds[i], (unsigned long long)st.st_ino));
        }
        for (size_t i = 0; i < ELEMENTS(host_folders); i++)
                probe_add_node(ret, "node", host_folders[i]);
        long keyring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
        if (keyring > 0)
                strings_take(ret, xprintf("keyring=%ld", keyring));
}

const char *probe_fact(const struct probe *p, const char *key)
{
        size_t n = strlen(key);
        for (char *const *f = p->facts; *f; f++)
                if (!strncmp(*f, key, n) && (*f)[n] == '=')
                        return *f + n + 1;
        return NULL;
}

/* ---- what attempts say ---- */

void probe_detail(struct probe *p, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(p->detail, sizeof p->detail, format, ap);
        va_end(ap);
}

void probe_unknown(struct probe *p, const char *why)
{
        p->unknown = true;
        probe_detail(p, "%s", why);
}

void probe_find(struct probe *p, const char *name, const char *path)
{
        if (p->found_count == ELEMENTS(p->found))
                return;
        struct probe_found *f = &p->found[p->found_count++];
        f->name = name;
        (void)snprintf(f->path, sizeof f->path, "%s", path);
}

/* ---- questions that several ask ---- */

bool probe_is_host_namespace(const struct probe *p, const char *kind, bool *ret_unknown)
{
        char key[32], path[64], number[32];
        struct stat st;
        (void)snprintf(key, sizeof key, "ns.%s", kind);
        (void)snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
        const char *fact = probe_fact(p, key);
        if (!fact || stat(path, &st) < 0) {
                *ret_unknown = true;
                return true;
        }
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)st.st_ino);
        return text_equal(number, fact);
}

bool probe_is_host_node(const struct probe *p, const char *key, const char *path)
{
        char name[PROBE_DETAIL_MAX + 32], node[64];
        struct stat st;
        if ((size_t)snprintf(name, sizeof name, "%s.%s", key, path) >= sizeof name || stat(path, &st) < 0)
                return false;
        const char *fact = probe_fact(p, name);
        (void)snprintf(node, sizeof node, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        return fact && text_equal(fact, node);
}

bool probe_may_make_files(const char *folder)
{
        int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0) {
                (void)close(fd);
                return true;
        }
        /* Of file systems without unnamed files the rights have to do. */
        return (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

bool probe_may_open(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
        if (fd < 0)
                return false;
        (void)close(fd);
        return true;
}

/* ---- running them ---- */

/* In memory that outlives the attempt's process. */
static struct probe *share(char *const *facts)
{
        struct probe *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                return NULL;
        p->facts = facts;
        return p;
}

static void forget(struct probe *p)
{
        char *const *facts = p->facts;
        memset(p, 0, sizeof *p);
        p->facts = facts;
}

static void attempt(struct probe *p, const struct probe_attempt *a)
{
        int status = 0;
        forget(p);
        pid_t pid = fork();
        if (pid == 0) {
                a->run(p, a);
                _exit(0);
        }
        if (pid < 0) {
                probe_unknown(p, "no process can be made to try it");
                return;
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR) {
                        probe_unknown(p, "the end of the attempt was not told");
                        return;
                }
        if (!WIFSIGNALED(status))
                return;
        forget(p);
        /* A filter that kills denies as well as one that refuses; without 32-bit calls their gate is a fault. */
        if (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV)
                probe_detail(p, "ended by %s", WTERMSIG(status) == SIGSYS ? "SIGSYS" : "SIGSEGV");
        else
                probe_unknown(p, "the attempt was ended by a signal");
}

static void add_line(struct text *t, const char *name, const struct probe *p)
{
        if (p->unknown)
                text_addf(t, "%s ?", name);
        else
                text_addf(t, "%s %llu", name, (unsigned long long)p->value);
        text_addf(t, "%s%s\n", *p->detail ? " " : "", p->detail);
}

/* One line a time: what comes after may never come. */
static int tell(const char *name, const struct probe *p)
{
        CLEAN_TEXT struct text t = { 0 };
        add_line(&t, name, p);
        for (unsigned i = 0; i < p->found_count && i < ELEMENTS(p->found); i++)
                text_addf(&t, "%s 1 %s\n", p->found[i].name, p->found[i].path);
        return file_write_all(1, t.data, t.length);
}

int probe_main(int argc, char **argv)
{
        static const struct probe_attempt *const parts[] = { probe_identity, probe_calls, probe_files };
        static const struct rlimit no_core = { 0, 0 };
        (void)argc;
        (void)setrlimit(RLIMIT_CORE, &no_core);
        struct probe *p = share(argv + 1);
        if (!p)
                return 1;
        for (size_t i = 0; i < ELEMENTS(parts); i++)
                for (const struct probe_attempt *a = parts[i]; a->name; a++) {
                        attempt(p, a);
                        if (tell(a->name, p) < 0)
                                return 1;
                }
        forget(p);
        p->value = 1;
        return tell("end", p) < 0;
}
