/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/condition_check.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "os/account.h"
#include "os/capability.h"
#include "os/file.h"
#include "plan/directive.h"

/* What the units of a systemd of this version may expect; of what we carry out. */
static const char systemd_version[] = "252";
enum { TEXT_MAX = 1 << 20 };

typedef bool check(const char *value);

/* ---- files ---- */

static bool path_exists(const char *v)
{
        return access(v, F_OK) == 0;
}

char *condition_first_match(const char *pattern)
{
        glob_t g = { 0 };
        char *found = glob(pattern, GLOB_NOSORT, NULL, &g) == 0 && g.gl_pathc > 0 ? xstrdup(g.gl_pathv[0]) : NULL;
        globfree(&g);
        return found;
}

static bool path_exists_glob(const char *v)
{
        CLEAN_FREE char *found = condition_first_match(v);
        return found;
}

static bool mode_is(const char *v, mode_t type, bool follow)
{
        struct stat st;
        return (follow ? stat(v, &st) : lstat(v, &st)) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool path_is_directory(const char *v)
{
        return mode_is(v, S_IFDIR, true);
}

static bool path_is_symbolic_link(const char *v)
{
        return mode_is(v, S_IFLNK, false);
}

static bool path_is_socket(const char *v)
{
        return mode_is(v, S_IFSOCK, true);
}

static bool path_is_mount_point(const char *v)
{
        struct statx x;
        return statx(AT_FDCWD, v, AT_SYMLINK_NOFOLLOW, 0, &x) == 0 && x.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static bool path_is_read_write(const char *v)
{
        struct statvfs st;
        return statvfs(v, &st) == 0 && !(st.f_flag & ST_RDONLY);
}

bool condition_folder_is_filled(const char *v)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(v, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && file_list(fd, &names) == 0 && names.count;
}

static bool file_not_empty(const char *v)
{
        struct stat st;
        return stat(v, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static bool file_is_executable(const char *v)
{
        struct stat st;
        return stat(v, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

/* Of an image that is updated as a whole; a package manager's host never is. */
static bool needs_update(const char *v)
{
        struct stat usr, there;
        CLEAN_FREE char *mark = xprintf("%s/.updated", v);
        if (stat("/usr", &usr) < 0 || !path_is_read_write(v))
                return false;
        return stat(mark, &there) < 0 || there.st_mtim.tv_sec < usr.st_mtim.tv_sec;
}

/* ---- the machine ---- */

static bool architecture(const char *v)
{
        static const struct {
                const char *machine, *name;
        } rows[] = { { "x86_64", "x86-64" }, { "i686", "x86" }, { "aarch64", "arm64" }, { "armv7l", "arm" }, { "ppc64le", "ppc64-le" } };
        struct utsname u;
        if (uname(&u) < 0)
                return false;
        const char *name = u.machine;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_equal(rows[i].machine, u.machine))
                        name = rows[i].name;
        return text_equal(v, "native") || text_equal(v, name);
}

static bool has_line(const char *path, const char *word)
{
        CLEAN_TEXT struct text t = { 0 };
        return file_read(AT_FDCWD, path, TEXT_MAX, &t) == 0 && t.data && strstr(t.data, word);
}

static bool in_container(void)
{
        return getenv("container") || path_exists("/run/.containerenv") || path_exists("/.dockerenv") || path_exists("/run/host/container-manager");
}

static bool in_machine(void)
{
        return has_line("/proc/cpuinfo", " hypervisor");
}

static bool virtualization(const char *v)
{
        bool wanted, container = in_container(), machine = in_machine();
        if (text_equal(v, "vm"))
                return machine && !container;
        if (text_equal(v, "container"))
                return container;
        if (text_equal(v, "private-users"))
                return !has_line("/proc/self/uid_map", "4294967295");
        return text_parse_bool(v, &wanted) == 0 && wanted == (container || machine);
}

static bool host(const char *v)
{
        char name[65] = "";
        CLEAN_TEXT struct text id = { 0 };
        if (gethostname(name, sizeof name - 1) == 0 && fnmatch(v, name, FNM_CASEFOLD) == 0)
                return true;
        return file_read(AT_FDCWD, "/etc/machine-id", 64, &id) == 0 && strlen(v) == 32 && !strncmp(id.data, v, 32);
}

/* A word of the command line, or NAME of NAME=VALUE. */
static bool kernel_command_line(const char *v)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings words = { 0 };
        if (file_read(AT_FDCWD, "/proc/cmdline", TEXT_MAX, &t) < 0 || !t.data || text_split_words(t.data, &words) < 0)
                return false;
        for (size_t i = 0; i < words.count; i++) {
                size_t n = strlen(v);
                if (text_equal(words.items[i], v) || (!strchr(v, '=') && !strncmp(words.items[i], v, n) && words.items[i][n] == '='))
                        return true;
        }
        return false;
}

/* Without the blanks at its ends. */
static char *trimmed(const char *word)
{
        static const char blanks[] = " \t\n\r";
        word += strspn(word, blanks);
        size_t n = strlen(word);
        while (n && strchr(blanks, word[n - 1]))
                n--;
        return xstrndup(word, n);
}

/* Several comparisons: all must hold. A sign that stands alone belongs to the word behind it. */
static bool compare_all(const char *have, const char *v)
{
        CLEAN_STRINGS struct strings words = { 0 };
        if (text_split_words(v, &words) < 0 || !words.count)
                return false;
        for (size_t i = 0; i < words.count; i++) {
                bool alone = words.items[i][strspn(words.items[i], "<>=!")] == 0 && i + 1 < words.count;
                CLEAN_FREE char *whole = alone ? xprintf("%s%s", words.items[i], words.items[i + 1]) : xstrdup(words.items[i]);
                CLEAN_FREE char *want = trimmed(whole);
                i += alone;
                if (!condition_compare_version(have, want))
                        return false;
        }
        return true;
}

static bool kernel_version(const char *v)
{
        struct utsname u;
        return uname(&u) == 0 && compare_all(u.release, v);
}

static bool version(const char *v)
{
        return text_starts(v, "systemd ") ? compare_all(systemd_version, v + strlen("systemd ")) : text_starts(v, "kernel ") ? kernel_version(v + 7) : kernel_version(v);
}

static bool memory(const char *v)
{
        bool holds = false;
        uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        return condition_compare_number(bytes, v, text_parse_size_bytes, &holds) == 0 && holds;
}

static int parse_number(const char *s, uint64_t *ret)
{
        return text_parse_uint(s, UINT64_MAX, ret);
}

static bool cpus(const char *v)
{
        cpu_set_t set;
        bool holds = false;
        return sched_getaffinity(0, sizeof set, &set) == 0 && condition_compare_number((uint64_t)CPU_COUNT(&set), v, parse_number, &holds) == 0 && holds;
}

static bool has_word(const char *path, const char *key, const char *word)
{
        CLEAN_TEXT struct text t = { 0 };
        if (file_read(AT_FDCWD, path, TEXT_MAX, &t) < 0 || !t.data)
                return false;
        char *line = strstr(t.data, key), *save = NULL;
        if (!line)
                return false;
        line[strcspn(line, "\n")] = 0;
        for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save))
                if (text_equal(w, word))
                        return true;
        return false;
}

static bool cpu_feature(const char *v)
{
        return has_word("/proc/cpuinfo", "flags", v);
}

static bool control_group_controller(const char *v)
{
        if (text_equal(v, "v2"))
                return path_exists("/sys/fs/cgroup/cgroup.controllers");
        if (text_equal(v, "v1"))
                return !path_exists("/sys/fs/cgroup/cgroup.controllers");
        CLEAN_FREE char *folder = xprintf("/sys/fs/cgroup/%s", v);
        return path_exists("/sys/fs/cgroup/cgroup.controllers") ? has_word("/sys/fs/cgroup/cgroup.controllers", "", v) : path_exists(folder);
}

static bool ac_power(const char *v)
{
        bool wanted;
        CLEAN_TEXT struct text t = { 0 };
        bool on = file_read(AT_FDCWD, "/sys/class/power_supply/AC/online", 16, &t) < 0 || (t.data && t.data[0] == '1'); /* no battery: always */
        return text_parse_bool(v, &wanted) == 0 && wanted == on;
}

static bool first_boot(const char *v)
{
        bool wanted;
        return text_parse_bool(v, &wanted) == 0 && wanted == path_exists("/run/systemd/first-boot");
}

/* A comparison with a member of os-release: NAME OPERATOR VALUE. */
static bool os_release_one(const struct strings *members, const char *v)
{
        size_t n = strcspn(v, "=<>!$");
        for (size_t i = 0; i < members->count; i++) {
                const char *m = members->items[i];
                if (strncmp(m, v, n) != 0 || m[n] != '=')
                        continue;
                const char *sign = v + n;
                bool not_equal = text_starts(sign, "!=");
                if (not_equal || (*sign == '=' && sign[1] != '='))
                        return not_equal != text_equal(m + n + 1, sign + 1 + not_equal);
                return condition_compare_version(m + n + 1, sign);
        }
        return text_starts(v + n, "!=");
}

static bool os_release(const char *v)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings members = { 0 }, wanted = { 0 };
        if (file_read(AT_FDCWD, "/etc/os-release", 65536, &t) < 0 || !t.data || text_split_words(t.data, &members) < 0 || text_split_words(v, &wanted) < 0)
                return false;
        for (size_t i = 0; i < wanted.count; i++)
                if (!os_release_one(&members, wanted.items[i]))
                        return false;
        return wanted.count;
}

/* ---- who and what we are ---- */

static bool security(const char *v)
{
        static const struct {
                const char *word, *path;
        } rows[] = { { "selinux", "/sys/fs/selinux/enforce" }, { "apparmor", "/sys/kernel/security/apparmor" }, { "smack", "/sys/fs/smackfs" },
                     { "ima", "/sys/kernel/security/ima" }, { "tomoyo", "/sys/kernel/security/tomoyo" }, { "tpm2", "/sys/class/tpmrm/tpmrm0" },
                     { "uefi-secureboot", "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" },
                     { "audit", "/proc/self/loginuid" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_equal(rows[i].word, v))
                        return path_exists(rows[i].path);
        return false;
}

static bool capability(const char *v)
{
        uint64_t held;
        unsigned bit;
        return capability_parse(v, &bit) == 0 && capability_effective(&held) == 0 && held >> bit & 1;
}

static bool user(const char *v)
{
        CLEAN_ACCOUNT struct account a = { 0 };
        if (text_equal(v, "@system"))
                return geteuid() < 1000;
        return account_find(v, &a) == 0 && a.uid == geteuid();
}

static bool in_groups(gid_t gid)
{
        gid_t list[1024];
        int n = getgroups(ELEMENTS(list), list);
        for (int i = 0; i < n; i++)
                if (list[i] == gid)
                        return true;
        return gid == getegid();
}

static bool group(const char *v)
{
        gid_t gid;
        return account_find_group(v, &gid) == 0 && in_groups(gid);
}

static bool environment(const char *v)
{
        CLEAN_FREE char *name = xstrndup(v, strcspn(v, "="));
        const char *have = getenv(name), *sign = strchr(v, '=');
        return have && (!sign || text_equal(have, sign + 1));
}

static bool credential(const char *v)
{
        CLEAN_FREE char *path = xprintf("/run/credentials/@system/%s", v), *sealed = xprintf("/run/credentials/@encrypted/%s", v);
        return !strchr(v, '/') && (path_exists(path) || path_exists(sealed));
}

/* ---- all ---- */

static check *const checks[CONDITION_KINDS] = {
        [CONDITION_ARCHITECTURE] = architecture, [CONDITION_VIRTUALIZATION] = virtualization, [CONDITION_HOST] = host,
        [CONDITION_KERNEL_COMMAND_LINE] = kernel_command_line, [CONDITION_KERNEL_VERSION] = kernel_version, [CONDITION_VERSION] = version,
        [CONDITION_CREDENTIAL] = credential, [CONDITION_ENVIRONMENT] = environment, [CONDITION_SECURITY] = security,
        [CONDITION_CAPABILITY] = capability, [CONDITION_AC_POWER] = ac_power, [CONDITION_NEEDS_UPDATE] = needs_update,
        [CONDITION_FIRST_BOOT] = first_boot, [CONDITION_PATH_EXISTS] = path_exists, [CONDITION_PATH_EXISTS_GLOB] = path_exists_glob,
        [CONDITION_PATH_IS_DIRECTORY] = path_is_directory, [CONDITION_PATH_IS_SYMBOLIC_LINK] = path_is_symbolic_link,
        [CONDITION_PATH_IS_MOUNT_POINT] = path_is_mount_point, [CONDITION_PATH_IS_READ_WRITE] = path_is_read_write,
        [CONDITION_PATH_IS_SOCKET] = path_is_socket, [CONDITION_DIRECTORY_NOT_EMPTY] = condition_folder_is_filled,
        [CONDITION_FILE_NOT_EMPTY] = file_not_empty, [CONDITION_FILE_IS_EXECUTABLE] = file_is_executable, [CONDITION_USER] = user,
        [CONDITION_GROUP] = group, [CONDITION_CONTROL_GROUP_CONTROLLER] = control_group_controller, [CONDITION_MEMORY] = memory,
        [CONDITION_CPUS] = cpus, [CONDITION_CPU_FEATURE] = cpu_feature, [CONDITION_OS_RELEASE] = os_release,
};

static const char *first_that_fails(const struct conditions *c, bool asserts)
{
        const char *last_trigger = NULL;
        bool triggered = false;
        for (size_t i = 0; i < c->count; i++) {
                const struct condition *x = &c->items[i];
                if (x->asserts != asserts)
                        continue;
                bool holds = checks[x->kind](x->value) != x->negated;
                if (!x->triggers && !holds)
                        return x->origin;
                if (x->triggers)
                        last_trigger = x->origin;
                triggered |= x->triggers && holds;
        }
        return triggered ? NULL : last_trigger;
}

enum condition_answer conditions_check(const struct conditions *c, const char **ret_origin)
{
        const char *origin = first_that_fails(c, false);
        enum condition_answer answer = origin ? CONDITIONS_SKIP : CONDITIONS_HOLD;
        if (!origin && (origin = first_that_fails(c, true)))
                answer = CONDITIONS_FAIL;
        *ret_origin = origin;
        return answer;
}

int conditions_hold(const struct unit_file *u, const struct facts *facts, bool lenient, struct error *e)
{
        CLEAN_CONDITIONS struct conditions c = { 0 };
        const char *origin = NULL;
        int r = conditions_read(u, facts, lenient, &c, e);
        if (r < 0)
                return r;
        switch (conditions_check(&c, &origin)) {
        case CONDITIONS_HOLD: return 0;
        case CONDITIONS_SKIP: return error_set(e, ECANCELED, "condition.unmet", "%s does not hold: it is not started", origin);
        case CONDITIONS_FAIL: return error_set(e, EPERM, "condition.assert", "%s does not hold", origin);
        }
        return 0;
}
