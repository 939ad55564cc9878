/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/score_measured.h"

#include <ctype.h>
#include <string.h>

/* ---- the report ---- */

static int bad_line(unsigned number, struct error *e)
{
        return error_set(e, EINVAL, "score.report", "line %u of the probe's report cannot be read", number);
}

static bool read_name(const char *s, size_t n, char ret[32])
{
        if (!n || n >= 32)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
                        return false;
        memcpy(ret, s, n);
        ret[n] = 0;
        return true;
}

static bool read_value(const char *s, size_t n, struct score_report_line *l)
{
        char number[24];
        l->known = !(n == 1 && *s == '?');
        if (!l->known)
                return true;
        if (!n || n >= sizeof number)
                return false;
        memcpy(number, s, n);
        number[n] = 0;
        return text_parse_uint(number, UINT64_MAX, &l->value) == 0;
}

static bool read_line(const char *s, size_t n, struct score_report_line *ret)
{
        const char *end = s + n, *blank = memchr(s, ' ', n);
        if (!blank || !read_name(s, (size_t)(blank - s), ret->name))
                return false;
        const char *value = blank + 1, *behind = memchr(value, ' ', (size_t)(end - value));
        const char *detail = behind ? behind + 1 : end;
        if (!read_value(value, (size_t)((behind ? behind : end) - value), ret) || (size_t)(end - detail) >= sizeof ret->detail)
                return false;
        memcpy(ret->detail, detail, (size_t)(end - detail));
        return true;
}

int score_report_parse(struct score_report *ret, const char *data, size_t size, struct error *e)
{
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        if (size > SCORE_REPORT_MAX)
                return error_set(e, E2BIG, "score.report", "the probe's report is longer than %d bytes", SCORE_REPORT_MAX);
        if (memchr(data, 0, size))
                return error_set(e, EINVAL, "score.report", "the probe's report holds a NUL");
        for (size_t at = 0; at < size;) {
                const char *s = data + at, *newline = memchr(s, '\n', size - at);
                struct score_report_line l = { 0 };
                if (r.count == SCORE_REPORT_LINES)
                        return error_set(e, E2BIG, "score.report", "the probe's report has more than %d lines", SCORE_REPORT_LINES);
                if (!newline || !read_line(s, (size_t)(newline - s), &l))
                        return bad_line((unsigned)r.count + 1, e);
                r.whole |= text_equal(l.name, "end");
                r.lines = xgrow(r.lines, &r.room, r.count + 1, sizeof *r.lines);
                r.lines[r.count++] = l;
                at += (size_t)(newline - s) + 1;
        }
        *ret = r;
        r = (struct score_report){ 0 };
        return 0;
}

void score_report_done(struct score_report *r)
{
        free(r->lines);
        *r = (struct score_report){ 0 };
}

static const struct score_report_line *find_line(const struct score_report *r, const char *name)
{
        for (size_t i = 0; i < r->count; i++)
                if (text_equal(r->lines[i].name, name))
                        return &r->lines[i];
        return NULL;
}

/* ---- which attempt answers which check ---- */

enum reading {
        READ_LEVEL,   /* the value is the badness */
        READ_WHOLE,   /* anything but 0 is the worst */
        READ_CONFIRM, /* anything but 0 is what the text says, or the worst where the text is without blame */
        READ_MASK,    /* a set of capabilities */
};

struct evidence {
        const char *check, *attempt;
        enum reading reading;
        bool by_mounts; /* whoever may mount may undo it */
};

/* Checks that are no row here cannot be measured: what a process leaves behind, whom its supervisor hears, and delegation. */
static const struct evidence evidence[] = {
        { "UserOrDynamicUser", "user", READ_LEVEL, false },
        { "SupplementaryGroups", "groups", READ_WHOLE, false },
        { "PrivateDevices", "devices", READ_WHOLE, true },
        { "PrivateMounts", "mount-host", READ_WHOLE, false },
        { "PrivateNetwork", "host-net", READ_WHOLE, false },
        { "PrivateTmp", "tmp", READ_WHOLE, true },
        { "PrivateUsers", "host-user", READ_WHOLE, false },
        { "ProtectControlGroups", "control-groups", READ_WHOLE, true },
        { "ProtectKernelModules", "module", READ_WHOLE, false },
        { "ProtectKernelTunables", "tunables", READ_WHOLE, true },
        { "ProtectKernelLogs", "kernel-log", READ_WHOLE, false },
        { "ProtectClock", "clock", READ_WHOLE, false },
        { "ProtectHome", "home", READ_LEVEL, true },
        { "ProtectHostname", "hostname", READ_WHOLE, false },
        { "ProtectSystem", "system", READ_LEVEL, true },
        { "RootDirectoryOrRootImage", "root", READ_WHOLE, true },
        { "LockPersonality", "personality", READ_WHOLE, false },
        { "MemoryDenyWriteExecute", "write-execute", READ_WHOLE, false },
        { "NoNewPrivileges", "gain", READ_WHOLE, false },
        { "CapabilityBoundingSet_CAP_SYS_PTRACE", "trace", READ_WHOLE, false },
        { "UMask", "umask", READ_LEVEL, false },
        { "KeyringMode", "keyring", READ_WHOLE, false },
        { "ProtectProc", "processes", READ_LEVEL, true },
        { "ProcSubset", "proc-files", READ_WHOLE, true },
        { "RestrictRealtime", "realtime", READ_WHOLE, false },
        { "RestrictSUIDSGID", "set-id", READ_WHOLE, false },
        { "RestrictNamespaces_user", "unshare-user", READ_WHOLE, false },
        { "RestrictNamespaces_mnt", "unshare-mnt", READ_WHOLE, false },
        { "RestrictNamespaces_ipc", "unshare-ipc", READ_WHOLE, false },
        { "RestrictNamespaces_pid", "unshare-pid", READ_WHOLE, false },
        { "RestrictNamespaces_cgroup", "unshare-cgroup", READ_WHOLE, false },
        { "RestrictNamespaces_net", "unshare-net", READ_WHOLE, false },
        { "RestrictNamespaces_uts", "unshare-uts", READ_WHOLE, false },
        { "RestrictAddressFamilies_AF_INET_INET6", "family-inet", READ_WHOLE, false },
        { "RestrictAddressFamilies_AF_UNIX", "family-unix", READ_WHOLE, false },
        { "RestrictAddressFamilies_AF_NETLINK", "family-netlink", READ_WHOLE, false },
        { "RestrictAddressFamilies_AF_PACKET", "family-packet", READ_WHOLE, false },
        { "RestrictAddressFamilies_OTHER", "family-other", READ_WHOLE, false },
        { "SystemCallArchitectures", "call-32bit", READ_CONFIRM, false },
        { "SystemCallFilter_swap", "calls-swap", READ_CONFIRM, false },
        { "SystemCallFilter_obsolete", "calls-obsolete", READ_CONFIRM, false },
        { "SystemCallFilter_clock", "clock", READ_CONFIRM, false },
        { "SystemCallFilter_cpu_emulation", "calls-emulation", READ_CONFIRM, false },
        { "SystemCallFilter_debug", "calls-debug", READ_CONFIRM, false },
        { "SystemCallFilter_mount", "mount", READ_CONFIRM, false },
        { "SystemCallFilter_module", "module", READ_CONFIRM, false },
        { "SystemCallFilter_raw_io", "calls-raw-io", READ_CONFIRM, false },
        { "SystemCallFilter_reboot", "calls-reboot", READ_CONFIRM, false },
        { "SystemCallFilter_privileged", "calls-privileged", READ_CONFIRM, false },
        { "SystemCallFilter_resources", "calls-resources", READ_CONFIRM, false },
        { "IPAddressDeny", "addresses", READ_LEVEL, false },
        { "DeviceAllow", "any-device", READ_CONFIRM, false },
        { "AmbientCapabilities", "ambient", READ_WHOLE, false },
        { "CapabilityBoundingSet_CAP_MKNOD", "make-node", READ_WHOLE, false },
};

/* The sets of capabilities that have no attempt of their own. */
static const struct evidence capabilities = { NULL, "capabilities", READ_MASK, false };

static const struct evidence *find_evidence(const struct score_row *row)
{
        for (size_t i = 0; i < ELEMENTS(evidence); i++)
                if (text_equal(evidence[i].check, row->check))
                        return &evidence[i];
        return row->capabilities ? &capabilities : NULL;
}

static unsigned badness_of(const struct score_row *row, const struct evidence *v, const struct score_report_line *l)
{
        switch (v->reading) {
        case READ_LEVEL: {
                unsigned least = l->value > row->range ? row->range : (unsigned)l->value;
                /* The text knows more of degrees where some are let through. */
                return text_equal(row->check, "IPAddressDeny") && least == row->range && row->badness >= 5 ? row->badness : least;
        }
        case READ_WHOLE:
                return l->value ? row->range : 0;
        case READ_CONFIRM:
                return !l->value ? 0 : row->badness ? row->badness : row->range;
        case READ_MASK:
                return l->value & row->capabilities ? row->range : 0;
        }
        return row->range;
}

static void measure_row(const struct score_row *row, const struct score_report *r, struct score_measured_row *ret)
{
        const struct evidence *v = row->applies ? find_evidence(row) : NULL;
        const struct score_report_line *l = v ? find_line(r, v->attempt) : NULL;
        const struct score_report_line *mount = v && v->by_mounts ? find_line(r, "mount") : NULL;
        *ret = (struct score_measured_row){ .badness = row->badness };
        if (!row->applies)
                return;
        if (!l || !l->known) {
                ret->why = xstrdup(!v ? "nothing inside can tell" : l ? l->detail : "the probe ended before it");
                return;
        }
        ret->badness = badness_of(row, v, l);
        if (mount && mount->known && mount->value && row->badness < row->range && ret->badness < row->range) {
                ret->badness = row->range;
                ret->why = xstrdup("it may undo its mounts");
        } else if (*l->detail)
                ret->why = xstrdup(l->detail);
        ret->effect = ret->badness > row->badness ? SCORE_WEAKER : ret->badness < row->badness ? SCORE_STRONGER : SCORE_SAME;
}

/* ---- what no row is about ---- */

static void add_finding(struct score_measured *m, bool is_door, char *text)
{
        if (m->finding_count == SCORE_FINDINGS_MAX) {
                free(text);
                return;
        }
        m->findings[m->finding_count++] = (struct score_finding){ text, is_door };
}

static void find_more(const struct score_report *r, struct score_measured *m)
{
        for (size_t i = 0; i < r->count; i++) {
                const struct score_report_line *l = &r->lines[i];
                if (!l->known || !l->value)
                        continue;
                if (text_equal(l->name, "door"))
                        add_finding(m, true, xprintf("%s lets it have the host's root do things", l->detail));
                else if (text_equal(l->name, "seen"))
                        add_finding(m, false, xprintf("%s is to be inaccessible, and is seen", l->detail));
                else if (text_equal(l->name, "movable"))
                        add_finding(m, false, xprintf("%s can be moved away: what is hidden below would be seen after the next start", l->detail));
                else if (text_equal(l->name, "sockets"))
                        add_finding(m, false, xprintf("sockets that can be reached by path, whatever the network: %llu, such as %s", (unsigned long long)l->value, l->detail));
                else if (text_equal(l->name, "host-ipc"))
                        add_finding(m, false, xstrdup("it shares the host's message queues and shared memory (PrivateIPC=, which has no weight)"));
                else if (text_equal(l->name, "mount"))
                        add_finding(m, false, xstrdup("it may mount and unmount: what mounts protect it may undo"));
        }
}

void score_measure(const struct score *s, const struct score_report *r, struct score_measured *ret)
{
        struct score as_measured = *s; /* of which the rows are used, and no string is owned */
        bool door = false;
        *ret = (struct score_measured){ 0 };
        for (size_t i = 0; i < s->count; i++) {
                measure_row(&s->rows[i], r, &ret->rows[i]);
                ret->measured += ret->rows[i].effect != SCORE_NOT_MEASURED;
                as_measured.rows[i].badness = ret->rows[i].badness;
        }
        find_more(r, ret);
        for (size_t i = 0; i < ret->finding_count; i++)
                door |= ret->findings[i].is_door;
        score_sum_up(&as_measured);
        ret->exposure = door ? 100 : as_measured.exposure;
        ret->rating = score_rating(ret->exposure);
}

void score_measured_done(struct score_measured *m)
{
        for (size_t i = 0; i < SCORE_ROWS_MAX; i++)
                free(m->rows[i].why);
        for (size_t i = 0; i < m->finding_count; i++)
                free(m->findings[i].text);
        *m = (struct score_measured){ 0 };
}

const char *score_effect_word(enum score_effect e)
{
        static const char *const words[] = { "not measured", "same", "weaker", "stronger" };
        return words[e];
}
