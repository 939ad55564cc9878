/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* update: what a live container may use. The options of runc and of crun, or a resources object. */
#include "cli/oci.h"

#include <string.h>

#include "plan/oci_resources.h"
#include "runtime/resources.h"

enum { KEY_FIRST = 256, KEY_L3 = 512, KEY_BANDWIDTH, RESOURCES_SIZE_MAX = 1 << 20 };

struct changing {
        struct cgroup_resources *resources;
        const char *file, *l3, *bandwidth;
};

/* Options that are a number of one setting each, in the order of their keys. -1 stands for "no limit" where least is -1. */
static const struct number {
        const char *option, *argument, *what;
        enum cgroup_setting setting;
        int64_t least, most;
        bool is_size;
} numbers[] = {
        { "--blkio-weight", "N", "Share of the disks, 10 to 1000", CGROUP_IO_WEIGHT, 0, 1000, false },
        { "--cpu-period", "USEC", "Length of a period of --cpu-quota", CGROUP_CPU_PERIOD, 0, INT64_MAX, false },
        { "--cpu-quota", "USEC", "Processor time in a period", CGROUP_CPU_QUOTA, -1, INT64_MAX, false },
        { "--cpu-burst", "USEC", "Time of earlier periods that may be used up", CGROUP_CPU_BURST, 0, INT64_MAX, false },
        { "--cpu-share", "N", "Share of the processors, 2 to 262144", CGROUP_CPU_SHARES, 0, INT64_MAX, false },
        { "--cpu-rt-period", "USEC", "Length of a period of --cpu-rt-runtime", CGROUP_CPU_REALTIME_PERIOD, 0, INT64_MAX, false },
        { "--cpu-rt-runtime", "USEC", "Real-time processor time in a period", CGROUP_CPU_REALTIME_RUNTIME, -1, INT64_MAX, false },
        { "--cpu-idle", "0|1", "Run only where nothing else would", CGROUP_CPU_IDLE, 0, 1, false },
        { "--memory", "SIZE", "Limit of memory", CGROUP_MEMORY_LIMIT, -1, INT64_MAX, true },
        { "--memory-reservation", "SIZE", "Memory that is left when others need it", CGROUP_MEMORY_RESERVATION, -1, INT64_MAX, true },
        { "--memory-swap", "SIZE", "Limit of memory and swap together", CGROUP_MEMORY_SWAP, -1, INT64_MAX, true },
        { "--kernel-memory", "SIZE", "Limit of the kernel's memory (v1, old kernels)", CGROUP_MEMORY_KERNEL, -1, INT64_MAX, true },
        { "--kernel-memory-tcp", "SIZE", "Limit of buffers of TCP (v1)", CGROUP_MEMORY_KERNEL_TCP, -1, INT64_MAX, true },
        { "--pids-limit", "N", "How many tasks", CGROUP_PIDS_LIMIT, -1, INT64_MAX, false },
};

enum { NUMBERS = ELEMENTS(numbers), KEY_CPUS = 'C', KEY_MEMS = 'M' };

/* "64m" and "64MiB" as engines write them, beside "64M". */
static int parse_size(const char *text, uint64_t *ret)
{
        CLEAN_FREE char *copy = xstrdup(text);
        size_t n = strlen(copy);
        if (n > 2 && (copy[n - 2] == 'i' || copy[n - 2] == 'I') && (copy[n - 1] == 'b' || copy[n - 1] == 'B'))
                copy[n -= 2] = 0;
        else if (n > 2 && (copy[n - 1] == 'b' || copy[n - 1] == 'B') && !strchr("0123456789", copy[n - 2]))
                copy[--n] = 0;
        if (n && copy[n - 1] >= 'a' && copy[n - 1] <= 'z')
                copy[n - 1] = (char)(copy[n - 1] - 'a' + 'A');
        return text_equal(copy, "infinity") ? -EINVAL : text_parse_size_bytes(copy, ret);
}

static void set_number(struct changing *c, const struct number *n, const char *text, struct argp_state *state)
{
        uint64_t u = 0;
        bool unlimited = n->least == -1 && text_equal(text, "-1");
        int r = unlimited ? 0 : n->is_size ? parse_size(text, &u) : text_parse_uint(text, (uint64_t)n->most, &u);
        if (r < 0 || u > (uint64_t)n->most)
                argp_error(state, "%s takes %s, not \"%s\"", n->option, n->is_size ? "a size such as 64M, or -1" : "a number", text);
        cgroup_ask(c->resources, n->setting, unlimited ? -1 : (int64_t)u);
        c->resources->origins[n->setting] = n->option;
}

static void set_list(char **place, const char *text, const char *option, struct argp_state *state)
{
        if (!*text)
                return;
        if (text[strspn(text, "0123456789,-")])
                argp_error(state, "--%s takes a list such as 0-3,7, not \"%s\"", option, text);
        free(*place);
        *place = xstrdup(text);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct changing *c = state->input;
        if (key >= KEY_FIRST && key < KEY_FIRST + NUMBERS) {
                set_number(c, &numbers[key - KEY_FIRST], arg, state);
                return 0;
        }
        switch (key) {
        case 'r': c->file = arg; return 0;
        case 'm': set_number(c, &numbers[8], arg, state); return 0;
        case KEY_CPUS: set_list(&c->resources->cpus, arg, "cpuset-cpus", state); return 0;
        case KEY_MEMS: set_list(&c->resources->mems, arg, "cpuset-mems", state); return 0;
        case KEY_L3: c->l3 = arg; return 0;
        case KEY_BANDWIDTH: c->bandwidth = arg; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static void make_options(struct argp_option *ret)
{
        static const struct argp_option others[] = {
                { "resources", 'r', "FILE", 0, "Read a resources object from FILE; -: from standard input", 0 },
                { "cpuset-cpus", KEY_CPUS, "LIST", 0, "Processors that may be used", 1 },
                { "cpuset-mems", KEY_MEMS, "LIST", 0, "Memory nodes that may be used", 1 },
                { "l3-cache-schema", KEY_L3, "SCHEMA", 0, "Parts of the cache that may be used (Intel RDT)", 1 },
                { "mem-bw-schema", KEY_BANDWIDTH, "SCHEMA", 0, "Bandwidth of memory (Intel RDT)", 1 },
                { NULL, 'm', "SIZE", OPTION_HIDDEN, NULL, 1 },
                { 0 },
        };
        for (size_t i = 0; i < NUMBERS; i++)
                ret[i] = (struct argp_option){ numbers[i].option + 2, KEY_FIRST + (int)i, numbers[i].argument, 0, numbers[i].what, 1 };
        memcpy(ret + NUMBERS, others, sizeof others);
}

/* The options have the last word: they are read over it. */
static int read_file(const char *file, struct cgroup_resources **into, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        bool input = text_equal(file, "-");
        int r = oci_read_file(file, RESOURCES_SIZE_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "config.unreadable", "reading %s", input ? "the resources on standard input" : file);
        r = json_parse("resources", t.data, t.length, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "resources");
        return oci_read_resources(&top, into, e);
}

static void lay_over(struct cgroup_resources *below, struct cgroup_resources *above)
{
        for (int s = 0; s < CGROUP_SETTINGS; s++)
                if (cgroup_is_set(above, (enum cgroup_setting)s)) {
                        cgroup_set(below, (enum cgroup_setting)s, above->values[s]);
                        below->origins[s] = above->origins[s];
                }
        char **const lists[][2] = { { &below->cpus, &above->cpus }, { &below->mems, &above->mems } };
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                if (*lists[i][1]) {
                        free(*lists[i][0]);
                        *lists[i][0] = TAKE_PTR(*lists[i][1]);
                }
}

static int update(const struct oci_globals *g, const char *id, struct changing *c, struct error *e)
{
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct cgroup_resources *all = NULL;
        int k = oci_open(g, id, &r, e);
        if (k == 0 && record_status(&r) == RECORD_STOPPED)
                k = error_set(e, EBUSY, "container.status", "cannot update container \"%s\": it is stopped", r.id);
        if (k == 0 && c->file)
                k = read_file(c->file, &all, e);
        if (k == 0 && all)
                lay_over(all, c->resources);
        if (k == 0)
                k = resources_update(&r, all ? all : c->resources, c->l3, c->bandwidth, e);
        oci_resources_free(all);
        return k;
}

int oci_cmd_update(const struct oci_globals *g, int argc, char **argv)
{
        struct argp_option options[NUMBERS + 8] = { 0 };
        struct changing c = { .resources = xalloc(1, sizeof *c.resources) };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &c,
                                   .doc = "Change what a container may use. 0 leaves a limit as it is, -1 takes it away." };
        struct error e = { 0 };
        make_options(options);
        int status = oci_parse(&a, argc, argv);
        if (status == 0 && update(g, a.id, &c, &e) < 0)
                status = oci_say_failed(g, "cannot update the container", &e);
        oci_resources_free(c.resources);
        return status;
}
