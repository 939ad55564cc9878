/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/directive_other.h"

#include <string.h>

/* ---- forms of values ---- */

static bool is_any(const char *s)
{
        (void)s;
        return true;
}

static bool is_bool(const char *s)
{
        bool b;
        return text_parse_bool(s, &b) == 0;
}

static bool is_no(const char *s)
{
        bool b;
        return text_parse_bool(s, &b) == 0 && !b;
}

static bool is_number(const char *s)
{
        uint64_t n;
        return text_parse_uint(s, UINT32_MAX, &n) == 0;
}

static bool is_time(const char *s)
{
        uint64_t usec;
        return text_equal(s, "infinity") || text_parse_span_usec(s, &usec) == 0;
}

static bool is_one_of(const char *s, const char *const *words)
{
        for (; *words; words++)
                if (text_equal(s, *words))
                        return true;
        return false;
}

static bool is_level(const char *s)
{
        static const char *const words[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "0", "1", "2", "3", "4", "5", "6", "7", NULL };
        return is_one_of(s, words);
}

static bool is_facility(const char *s)
{
        static const char *const words[] = { "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "local0",
                                             "local1", "local2", "local3", "local4", "local5", "local6", "local7", NULL };
        return is_one_of(s, words);
}

static bool is_utmp_mode(const char *s)
{
        static const char *const words[] = { "init", "login", "user", NULL };
        return is_one_of(s, words);
}

static bool is_weight(const char *s)
{
        uint64_t n;
        return text_equal(s, "idle") || (text_parse_uint(s, 10000, &n) == 0 && n > 0);
}

static bool is_oom_word(const char *s)
{
        static const char *const words[] = { "auto", "kill", "none", "avoid", "omit", NULL };
        return is_one_of(s, words);
}

static bool is_slice(const char *s)
{
        return text_ends(s, ".slice") && !strchr(s, '/') && strlen(s) <= 255;
}

static bool is_assignment(const char *s)
{
        return strchr(s, '=') && *s != '=';
}

static const struct form {
        bool (*fits)(const char *s);
        const char *expected;
} any = { is_any, "any" }, boolean = { is_bool, "a boolean: yes or no" }, number = { is_number, "a number" }, span = { is_time, "a time" },
  level = { is_level, "emerg, alert, crit, err, warning, notice, info or debug" }, facility = { is_facility, "a facility of syslog(3), such as daemon" },
  utmp_mode = { is_utmp_mode, "init, login or user" }, weight = { is_weight, "a weight from 1 to 10000, or idle" },
  oom_word = { is_oom_word, "auto or kill; none, avoid or omit" }, slice = { is_slice, "a name that ends in .slice" }, field = { is_assignment, "FIELD=VALUE" },
  no = { is_no, "no" };

/* ---- the table ---- */

#define LOG "the log keeps lines as they come, without levels and fields"
#define BOOT "there is no phase of booting: what holds after it holds"
#define OOMD "there is no daemon for it: the kernel chooses"
#define PARENTS "it is about units in slices, and a run is in none"
#define LABELS "control groups of runs stand side by side"
#define VERITY "dm-verity is not set up for images"
#define IMAGES "images have no partitions"
#define OLD_WEIGHT "it is systemd's older scale of weights; write CPUWeight= or IOWeight="

struct other {
        const char *name;
        const char *newer;        /* an older name of this one */
        const struct form *form;  /* accepted: of its values; refused: of those that ask for nothing, beside the empty one */
        const char *told;         /* accepted: what holds in its place */
        const char *refused;      /* why */
};

static const struct other others[] = {
        { .name = "ReadWriteDirectories", .newer = "ReadWritePaths" },
        { .name = "ReadOnlyDirectories", .newer = "ReadOnlyPaths" },
        { .name = "InaccessibleDirectories", .newer = "InaccessiblePaths" },
        { .name = "BlockIOAccounting", .newer = "IOAccounting" },
        { .name = "MemoryLimit", .newer = "MemoryMax" },
        { .name = "BlockIOReadBandwidth", .newer = "IOReadBandwidthMax" },
        { .name = "BlockIOWriteBandwidth", .newer = "IOWriteBandwidthMax" },

        { .name = "SyslogIdentifier", .form = &any, .told = LOG },
        { .name = "SyslogFacility", .form = &facility, .told = LOG },
        { .name = "SyslogLevel", .form = &level, .told = LOG },
        { .name = "SyslogLevelPrefix", .form = &boolean, .told = LOG },
        { .name = "LogLevelMax", .form = &level, .told = LOG },
        { .name = "LogExtraFields", .form = &field, .told = LOG },
        { .name = "LogFilterPatterns", .form = &any, .told = LOG },
        { .name = "LogRateLimitIntervalSec", .form = &span, .told = "the log is bounded by its size" },
        { .name = "LogRateLimitBurst", .form = &number, .told = "the log is bounded by its size" },
        { .name = "LogNamespace", .form = &any, .told = "each run has a log of its own" },
        { .name = "UtmpIdentifier", .form = &any, .told = "no login records are written" },
        { .name = "UtmpMode", .form = &utmp_mode, .told = "no login records are written" },
        { .name = "TimeoutCleanSec", .form = &span, .told = "there is no command that cleans" },
        { .name = "Slice", .form = &slice, .told = LABELS },
        { .name = "StartupCPUWeight", .form = &weight, .told = BOOT },
        { .name = "StartupIOWeight", .form = &weight, .told = BOOT },
        { .name = "StartupCPUShares", .form = &number, .told = BOOT },
        { .name = "StartupBlockIOWeight", .form = &number, .told = BOOT },
        { .name = "StartupAllowedCPUs", .form = &any, .told = BOOT },
        { .name = "StartupAllowedMemoryNodes", .form = &any, .told = BOOT },
        { .name = "StartupMemoryLow", .form = &any, .told = BOOT },
        { .name = "StartupMemoryHigh", .form = &any, .told = BOOT },
        { .name = "StartupMemoryMax", .form = &any, .told = BOOT },
        { .name = "StartupMemorySwapMax", .form = &any, .told = BOOT },
        { .name = "DefaultMemoryMin", .form = &any, .told = PARENTS },
        { .name = "DefaultMemoryLow", .form = &any, .told = PARENTS },
        { .name = "DefaultStartupMemoryLow", .form = &any, .told = PARENTS },
        { .name = "DisableControllers", .form = &any, .told = PARENTS },
        { .name = "ManagedOOMSwap", .form = &oom_word, .told = OOMD },
        { .name = "ManagedOOMMemoryPressure", .form = &oom_word, .told = OOMD },
        { .name = "ManagedOOMMemoryPressureLimit", .form = &any, .told = OOMD },
        { .name = "ManagedOOMMemoryPressureDurationSec", .form = &span, .told = OOMD },
        { .name = "ManagedOOMPreference", .form = &oom_word, .told = OOMD },
        { .name = "MemoryPressureWatch", .form = &any, .told = "no pressure is watched; the payload may watch its own" },
        { .name = "MemoryPressureThresholdSec", .form = &span, .told = "no pressure is watched; the payload may watch its own" },
        { .name = "CoredumpReceive", .form = &boolean, .told = "no core dumps are passed on" },

        { .name = "CPUShares", .form = &no, .refused = OLD_WEIGHT },
        { .name = "BlockIOWeight", .form = &no, .refused = OLD_WEIGHT },
        { .name = "BlockIODeviceWeight", .form = &no, .refused = OLD_WEIGHT },
        { .name = "IODeviceLatencyTargetSec", .form = &no, .refused = "latencies of disks are not controlled; IODeviceWeight= and the limits of IO*Max= are" },
        { .name = "MemoryZSwapMax", .form = &no, .refused = "compressed swap is not limited; MemorySwapMax= limits all of it" },
        { .name = "RootHash", .form = &no, .refused = VERITY },
        { .name = "RootHashSignature", .form = &no, .refused = VERITY },
        { .name = "RootVerity", .form = &no, .refused = VERITY },
        { .name = "RootImagePolicy", .form = &no, .refused = IMAGES },
        { .name = "MountImagePolicy", .form = &no, .refused = IMAGES },
        { .name = "ExtensionImagePolicy", .form = &no, .refused = IMAGES },
        { .name = "RootEphemeral", .form = &no, .refused = "roots are not copied; TemporaryFileSystem= gives writable places that vanish" },
        { .name = "RootMStack", .form = &no, .refused = "roots are folders or images, not stacks of them" },
        { .name = "RestrictFileSystems", .form = &no, .refused = "it takes programs of the BPF security module, which Bulkhead does not load" },
        { .name = "UserNamespacePath", .form = &no, .refused = "user namespaces are made, not joined: PrivateUsers=" },
        { .name = "MemoryTHP", .form = &no, .refused = "huge pages are not controlled" },
        { .name = "PrivateBPF", .form = &no, .refused = "there is no BPF file system of the run's own; SystemCallFilter=~bpf closes the call" },
};

const struct other *other_find(const char *name, size_t length)
{
        for (size_t i = 0; i < ELEMENTS(others); i++)
                if (strlen(others[i].name) == length && !strncmp(others[i].name, name, length))
                        return &others[i];
        return NULL;
}

const char *other_newer_name(const struct other *o)
{
        return o->newer;
}

/* ---- assignments ---- */

static void forget(struct settings *s, const struct other *o)
{
        size_t kept = 0;
        for (size_t i = 0; i < s->told_count; i++)
                if (s->told[i].other != o)
                        s->told[kept++] = s->told[i];
        s->told_count = kept;
}

int other_assign(struct settings *s, const struct other *o, const char *value, const char *origin, struct error *e)
{
        bool fits = o->form->fits(value);
        forget(s, o);
        if (!*value || (o->refused && fits))
                return 0;
        if (o->refused)
                return error_set(e, ENOTSUP, "directive.unsupported", "%s= is not applied: %s", o->name, o->refused);
        if (!fits)
                return directive_bad_value(e, value, o->form->expected);
        s->told = xgrow(s->told, &s->told_room, s->told_count + 1, sizeof *s->told);
        s->told[s->told_count++] = (struct told){ o, origin };
        return 0;
}

void other_compile(const struct settings *s, struct plan *p)
{
        p->told = s->told_count ? xalloc(s->told_count, sizeof *p->told) : NULL;
        p->told_count = s->told_count;
        for (size_t i = 0; i < s->told_count; i++)
                p->told[i] = (struct plan_told){ s->told[i].other->told, s->told[i].origin };
}
