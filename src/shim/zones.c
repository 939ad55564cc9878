/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/zones.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

static const struct zone *keep(struct zones *z, struct zone *taken)
{
        struct zone *own = xalloc(1, sizeof *own);
        *own = *taken;
        *taken = (struct zone){ 0 };
        z->known = xgrow(z->known, &z->room, z->count + 1, sizeof(struct zone *));
        return z->known[z->count++] = own;
}

static int load(int dir_fd, const char *path, const char *name, struct zone *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(dir_fd, path, ZONE_FILE_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "zone.unknown", "reading the time zone %.80s", name);
        return zone_parse(name, t.data ? t.data : "", t.length, ret, e);
}

static const struct zone *find(void *context, const char *name)
{
        struct zones *z = context;
        CLEAN_ZONE struct zone found = { 0 };
        for (size_t i = 0; i < z->count; i++)
                if (text_equal(z->known[i]->name, name))
                        return z->known[i];
        if (z->count >= ZONES_MAX || z->folder_fd < 0 || !zone_name_valid(name) || load(z->folder_fd, name, name, &found, NULL) < 0)
                return NULL;
        return keep(z, &found);
}

/* TZ is the caller's own: a name, a path below which a zone's file lies, or a rule. A colon before it means nothing. */
static int find_local(struct zones *z, struct error *e)
{
        const char *tz = getenv("TZ");
        CLEAN_ZONE struct zone found = { 0 };
        int r = 0;
        if (!tz) {
                /* Without the file the local time is UTC; a broken file is no reason to guess. */
                r = load(AT_FDCWD, "/etc/localtime", "/etc/localtime", &found, e);
                if (r == -ENOENT)
                        return 0;
        } else {
                tz += *tz == ':';
                if (!*tz || text_equal(tz, "UTC"))
                        return 0;
                const struct zone *named = find(z, tz);
                if (named) {
                        z->source.local = named;
                        return 0;
                }
                r = *tz == '/' ? load(AT_FDCWD, tz, tz, &found, e) : zone_parse_rule(tz, &found, NULL);
                if (r < 0 && *tz != '/')
                        return error_set(e, EINVAL, "zone.unknown", "TZ is \"%.80s\", which is no time zone of this host", tz);
        }
        if (r < 0)
                return r;
        z->source.local = keep(z, &found);
        return 0;
}

int zones_open(struct zones *z, struct error *e)
{
        z->folder_fd = open("/usr/share/zoneinfo", O_PATH | O_DIRECTORY | O_CLOEXEC);
        z->source = (struct zone_source){ find, z, zone_utc() };
        return find_local(z, e);
}

void zones_close(struct zones *z)
{
        for (size_t i = 0; i < z->count; i++) {
                zone_done(z->known[i]);
                free(z->known[i]);
        }
        free(z->known);
        z->folder_fd = fd_close(z->folder_fd);
        *z = (struct zones)ZONES_INIT;
}
