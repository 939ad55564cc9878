/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the program inside the sandbox, and says why one that is there does not run. */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/exit_status.h"
#include "os/process.h"
#include "sandbox/child.h"

static const char *path_variable(const struct strings *environment)
{
        for (size_t i = 0; i < environment->count; i++)
                if (text_starts(environment->items[i], "PATH="))
                        return environment->items[i] + 5;
        return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int not_found(struct error *e, int errnum, const char *name)
{
        struct statvfs st;
        error_errno(e, errnum, "exec.missing", "cannot execute %s", name);
        if (errnum == EACCES && statvfs(name, &st) == 0 && st.f_flag & ST_NOEXEC)
                error_hint(e, "%s is on a mount with noexec", name);
        error_status(e, STATUS_EXEC);
        return e ? e->code : -errnum;
}

/* The interpreter that a script's first line names. */
static int explain_script(const char *path, const char *head, struct error *e)
{
        char interpreter[256];
        size_t skip = 2 + strspn(head + 2, " \t"), n = strcspn(head + skip, " \t\n");
        (void)snprintf(interpreter, sizeof interpreter, "%.*s", (int)n, head + skip);
        size_t length = strlen(interpreter);
        if (length && interpreter[length - 1] == '\r') {
                error_set(e, ENOENT, "exec.interpreter", "%s: its #! line ends with a carriage return (CRLF)", path);
                error_hint(e, "convert the file to Unix line ends, as with: sed -i 's/\\r$//' %s", path);
        } else {
                error_set(e, ENOENT, "exec.interpreter", "%s: its #! line names %s, which cannot be run here", path, interpreter);
                error_hint(e, "make %s visible and executable inside the sandbox", interpreter);
        }
        return -ENOENT;
}

static const char *machine_name(unsigned machine)
{
        static const struct {
                unsigned machine;
                const char *name;
        } rows[] = { { EM_X86_64, "x86-64" }, { EM_386, "i386" },     { EM_AARCH64, "aarch64" }, { EM_ARM, "arm" },
                     { EM_RISCV, "riscv" },   { EM_PPC64, "ppc64" }, { EM_S390, "s390x" },      { EM_MIPS, "mips" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].machine == machine)
                        return rows[i].name;
        return "unknown";
}

static int explain_elf(const char *path, int fd, const char *head, int errnum, struct error *e)
{
        Elf64_Ehdr h;
        memcpy(&h, head, sizeof h);
        if (errnum == ENOEXEC) {
                error_set(e, ENOEXEC, "exec.architecture", "%s is an ELF program for another machine: %s (e_machine %u)", path,
                          machine_name(h.e_machine), h.e_machine);
                return -ENOEXEC;
        }
        for (unsigned i = 0; head[EI_CLASS] == ELFCLASS64 && i < h.e_phnum && i < 64; i++) {
                Elf64_Phdr p;
                char interpreter[256] = "";
                if (pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != sizeof p || p.p_type != PT_INTERP)
                        continue;
                if (pread(fd, interpreter, sizeof interpreter - 1, (off_t)p.p_offset) <= 0)
                        break;
                error_set(e, ENOENT, "exec.interpreter", "%s needs the ELF interpreter %s, which is not there", path, interpreter);
                error_hint(e, "make %s visible inside the sandbox, or link the program static", interpreter);
                return -ENOENT;
        }
        error_set(e, errnum, "exec.interpreter", "%s: its ELF interpreter is missing", path);
        return -errnum;
}

int program_explain(const char *path, int errnum, struct error *e)
{
        char head[256] = "";
        CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head - 1, 0);
        if ((errnum == ENOENT || errnum == ENOEXEC) && n > 2 && !memcmp(head, "#!", 2))
                explain_script(path, head, e);
        else if ((errnum == ENOENT || errnum == ENOEXEC) && n >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
                explain_elf(path, fd, head, errnum, e);
        else if (errnum == ENOEXEC) {
                error_set(e, errnum, "exec.format", "%s is neither a program nor a script with a #! line", path);
                error_hint(e, "name its interpreter: sh %s", path);
        } else
                not_found(e, errnum, path);
        error_status(e, STATUS_EXEC);
        return -errnum;
}

/* Whether path looks as if it could be executed: 0 or the errno of what execve would say.  execve itself has the last word. */
static int check(const char *path)
{
        struct stat st;
        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EACCES;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int child_find_program(struct child *c, struct error *e)
{
        /* By this name filters let it be executed that allow execve alone, as all do. */
        if (c->s->program_fd > 0)
                return snprintf(c->program, sizeof c->program, "/proc/self/fd/%d", c->s->program_fd) > 0 ? 0 : -EIO;
        const char *name = c->s->plan->program ? c->s->plan->program : c->s->plan->argv.items[0];
        if (strchr(name, '/')) {
                if (snprintf(c->program, sizeof c->program, "%s", name) >= (int)sizeof c->program)
                        return not_found(e, ENAMETOOLONG, name);
                int r = check(name);
                return r < 0 ? program_explain(name, -r, e) : 0;
        }
        int worst = ENOENT;
        CLEAN_TEXT struct text search = { 0 };
        for (size_t i = 0; i < c->s->plan->process.search_path.count; i++)
                text_addf(&search, "%s%s", i ? ":" : "", c->s->plan->process.search_path.items[i]);
        for (const char *p = search.length ? search.data : path_variable(&c->s->environment); *p; p += strcspn(p, ":") + (p[strcspn(p, ":")] == ':')) {
                int n = (int)strcspn(p, ":");
                if (*p != '/' || snprintf(c->program, sizeof c->program, "%.*s/%s", n, p, name) >= (int)sizeof c->program)
                        continue;
                int r = check(c->program);
                if (r == 0)
                        return 0;
                if (r != -ENOENT && r != -ENOTDIR)
                        worst = -r;
        }
        if (worst != ENOENT)
                return not_found(e, worst, name);
        error_set(e, ENOENT, "exec.missing", "%s: executable file not found in %s", name, search.length ? "ExecSearchPath=" : "$PATH");
        error_status(e, STATUS_EXEC);
        return -ENOENT;
}
