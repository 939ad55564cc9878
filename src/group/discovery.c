/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "group/discovery.h"
#include "os/file.h"
#include "os/users.h"

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
enum { LISTEN_FILE_MAX = 1024 };

void endpoint_done(struct endpoint *p)
{
        free(p->path);
        free(p->host);
        free(p->port);
        *p = (struct endpoint){ 0 };
}

static char *runtime_folder(void)
{
        const char *own = getenv("BULKHEAD_RUNTIME_DIR"), *user = getenv("XDG_RUNTIME_DIR");
        if (own && *own)
                return xstrdup(own);
        return users_ordinary() && user && *user ? xprintf("%s/bulkhead", user) : xstrdup("/run/bulkhead");
}

char *plugins_folder(void)
{
        const char *own = getenv("BULKHEAD_PLUGINS_DIR"), *infrakit = getenv("INFRAKIT_PLUGINS_DIR");
        if (own && *own)
                return xstrdup(own);
        if (infrakit && *infrakit)
                return xstrdup(infrakit);
        CLEAN_FREE char *runtime = runtime_folder();
        return xprintf("%s/plugins", runtime);
}

int plugins_folder_make(const char *folder, struct error *e)
{
        struct stat st;
        int r = file_make_folders(folder, 0700, e);
        if (r < 0)
                return error_while(e, "making the folder of plugins");
        if (stat(folder, &st) < 0)
                return error_errno(e, errno, "plugin.folder", "%s", folder);
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return error_set(e, EPERM, "plugin.folder", "%s belongs to user %u", folder, st.st_uid);
        if (st.st_mode & S_IWOTH) {
                error_set(e, EPERM, "plugin.folder", "everybody may write to %s, and so stand in for a plugin", folder);
                error_hint(e, "chmod o-w %s", folder);
                return -EPERM;
        }
        return 0;
}

bool plugin_name_valid(const char *name)
{
        size_t n = strlen(name);
        return n > 0 && n <= PLUGIN_NAME_MAX && *name != '.' && strspn(name, name_letters) == n;
}

static int bad_name(const char *name, struct error *e)
{
        error_set(e, EINVAL, "plugin.name", "\"%.80s\" is no name of a plugin", name);
        error_hint(e, "NAME or NAME/TYPE, of letters, digits and . - _");
        return -EINVAL;
}

int plugin_reference_parse(const char *reference, char **ret_name, char **ret_type, struct error *e)
{
        const char *slash = strchr(reference, '/');
        CLEAN_FREE char *name = slash ? xstrndup(reference, (size_t)(slash - reference)) : xstrdup(reference);
        const char *type = slash ? slash + 1 : "";
        if (!plugin_name_valid(name) || strlen(type) > PLUGIN_NAME_MAX || strspn(type, name_letters) != strlen(type) || (slash && !*type))
                return bad_name(reference, e);
        *ret_name = TAKE_PTR(name);
        *ret_type = xstrdup(type);
        return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret, struct error *e)
{
        uint64_t port;
        if (text_starts(text, "unix://"))
                text += strlen("unix://");
        if (*text == '/') {
                ret->path = xstrdup(text);
                return 0;
        }
        const char *rest = text_starts(text, "tcp://") ? text + strlen("tcp://") : "", *colon = strrchr(rest, ':');
        if (!colon || colon == rest || text_parse_uint(colon + 1, 65535, &port) < 0 || port == 0) {
                error_set(e, EINVAL, "plugin.endpoint", "\"%.80s\" is no address", text);
                error_hint(e, "tcp://HOST:PORT, or the path of a socket");
                return -EINVAL;
        }
        bool brackets = *rest == '[' && colon[-1] == ']';
        ret->host = xstrndup(rest + brackets, (size_t)(colon - rest) - 2 * brackets);
        ret->port = xstrdup(colon + 1);
        return 0;
}

static int find_listen(const char *folder, const char *name, struct endpoint *ret, struct error *e)
{
        CLEAN_FREE char *path = xprintf("%s/%s.listen", folder, name);
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read_short(AT_FDCWD, path, LISTEN_FILE_MAX, &t);
        if (r < 0 || !t.length) {
                error_set(e, ENOENT, "plugin.missing", "no plugin \"%s\" listens in %s", name, folder);
                error_hint(e, "start it: bulkhead plugin start %s", name);
                return -ENOENT;
        }
        t.data[strcspn(t.data, " \t\r\n")] = 0;
        r = endpoint_parse(t.data, ret, e);
        return r < 0 ? error_while(e, "reading %s", path) : 0;
}

int plugin_find(const char *folder, const char *name, struct endpoint *ret, struct error *e)
{
        struct stat st;
        if (!plugin_name_valid(name))
                return bad_name(name, e);
        CLEAN_FREE char *path = xprintf("%s/%s", folder, name);
        if (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return find_listen(folder, name, ret, e);
        ret->path = TAKE_PTR(path);
        return 0;
}

static bool names_a_plugin(int dir_fd, const char *file, struct strings *ret)
{
        struct stat st;
        size_t n = strlen(file);
        if (fstatat(dir_fd, file, &st, 0) < 0)
                return false;
        if (S_ISREG(st.st_mode) && n > 7 && text_ends(file, ".listen")) {
                CLEAN_FREE char *name = xstrndup(file, n - 7);
                if (plugin_name_valid(name) && !strings_has(ret, name))
                        strings_add(ret, name);
                return true;
        }
        if (S_ISSOCK(st.st_mode) && plugin_name_valid(file) && !strings_has(ret, file))
                strings_add(ret, file);
        return true;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int plugins_list(const char *folder, struct strings *ret)
{
        CLEAN_STRINGS struct strings files = { 0 };
        CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        int r = file_list(fd, &files);
        if (r < 0)
                return r;
        for (size_t i = 0; i < files.count; i++)
                (void)names_a_plugin(fd, files.items[i], ret);
        if (ret->count)
                qsort(ret->items, ret->count, sizeof *ret->items, by_name);
        return 0;
}

void plugin_write_pid(const char *socket_path)
{
        CLEAN_FREE char *path = xprintf("%s.pid", socket_path), *pid = xprintf("%d\n", (int)getpid());
        (void)file_replace(AT_FDCWD, path, pid, strlen(pid), 0644);
}

void plugin_remove_pid(const char *socket_path)
{
        CLEAN_FREE char *path = xprintf("%s.pid", socket_path);
        (void)unlink(path);
}
