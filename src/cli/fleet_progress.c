/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/fleet_progress.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/fleet_show.h"
#include "cli/plugin_call.h"

#define ASK_NSEC 100000000L /* between two looks */
#define LOST_USEC (10ULL * 1000000) /* a controller that starts again has so long */
enum { BAR_WIDTH = 20, COLUMNS_LEAST = 20, COLUMNS_DEFAULT = 80 };

struct progress {
        const struct strings *ids;
        bool live; /* on a terminal */
        bool quiet;
        unsigned drawn; /* lines of the table that stand on the terminal */
        char **last;    /* of each group: the line that was printed */
        bool all, stuck;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
        (void)number;
        interrupted = 1;
}

static uint64_t now_usec(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int columns(void)
{
        struct winsize size;
        return ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_LEAST ? size.ws_col : COLUMNS_DEFAULT;
}

/* ---- lines ---- */

static void add_bar(struct text *t, uint64_t done, uint64_t size)
{
        uint64_t full = size ? (done < size ? done : size) * BAR_WIDTH / size : BAR_WIDTH;
        text_add(t, "[");
        for (uint64_t i = 0; i < BAR_WIDTH; i++)
                text_add(t, i < full ? "#" : "-");
        text_add(t, "] ");
}

/* How many are there as wanted; what health says is beside it. */
static void add_counts(struct text *t, const struct json_node *g)
{
        uint64_t sick = view_number(g, "Sick");
        text_addf(t, "%llu/%llu current", (unsigned long long)view_number(g, "Current"), (unsigned long long)view_number(g, "Size"));
        if (view_number(g, "Old"))
                text_addf(t, ", %llu old", (unsigned long long)view_number(g, "Old"));
        if (view_number(g, "Good"))
                text_addf(t, ", %llu good", (unsigned long long)view_number(g, "Good"));
        if (sick)
                text_addf(t, ", %llu sick", (unsigned long long)sick);
        if (view_number(g, "Drifted"))
                text_addf(t, ", %llu drifted", (unsigned long long)view_number(g, "Drifted"));
        text_add(t, "  ");
        fleet_describe(t, g);
}

static void draw(struct progress *p, const struct json_node *groups)
{
        int width = 0, room = columns();
        if (p->drawn)
                fprintf(stderr, "\033[%uA", p->drawn);
        p->drawn = 0;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                width = (int)strlen(view_text(g, "ID")) > width ? (int)strlen(view_text(g, "ID")) : width;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));) {
                CLEAN_TEXT struct text t = { 0 };
                if (!strings_has(p->ids, view_text(g, "ID")))
                        continue;
                text_addf(&t, "%-*s ", width, view_text(g, "ID"));
                add_bar(&t, view_number(g, "Current"), view_number(g, "Size"));
                add_counts(&t, g);
                if (t.length >= (size_t)room) /* a line that breaks could not be drawn over */
                        t.data[room - 1] = 0;
                fputs("\r", stderr);
                text_print_safe(stderr, t.data);
                fputs("\033[K\n", stderr);
                p->drawn++;
        }
}

static void print_changes(struct progress *p, const struct json_node *groups)
{
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                for (size_t i = 0; i < p->ids->count; i++) {
                        CLEAN_TEXT struct text t = { 0 };
                        if (!text_equal(p->ids->items[i], view_text(g, "ID")))
                                continue;
                        text_addf(&t, "%s: ", p->ids->items[i]);
                        add_counts(&t, g);
                        if (p->last[i] && text_equal(p->last[i], t.data))
                                continue;
                        free(p->last[i]);
                        p->last[i] = xstrdup(t.data);
                        text_print_safe(stderr, t.data);
                        fputc('\n', stderr);
                }
}

/* ---- waiting ---- */

static void judge(struct progress *p, const struct json_node *groups)
{
        size_t converged = 0;
        p->stuck = false;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                if (strings_has(p->ids, view_text(g, "ID"))) {
                        converged += view_true(g, "Converged");
                        p->stuck = p->stuck || fleet_is_stuck(g);
                }
        p->all = converged == p->ids->count;
}

static int look(struct progress *p, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        int r = controller_call("Fleet.Status", "{\"ID\":\"\"}", CALL_QUICK_USEC, &d, &result, e);
        if (r < 0)
                return r;
        const struct json_node *groups = json_member(result, "Groups");
        judge(p, groups);
        if (!p->quiet)
                (p->live ? draw : print_changes)(p, groups);
        return 0;
}

static enum fleet_end wait_for(struct progress *p, uint64_t timeout_usec)
{
        uint64_t began = now_usec(), seen = began;
        while (!interrupted) {
                struct error e = { 0 };
                int r = look(p, &e);
                uint64_t now = now_usec();
                if (r == 0 && (p->all || p->stuck))
                        return p->all ? FLEET_CONVERGED : FLEET_STUCK;
                if (r == 0)
                        seen = now;
                else if (now - seen > LOST_USEC) {
                        error_print(stderr, "bulkhead", "cannot ask the controller", &e);
                        return FLEET_LOST;
                }
                if (timeout_usec && now - began > timeout_usec)
                        return FLEET_TIMEOUT;
                (void)nanosleep(&(struct timespec){ .tv_nsec = ASK_NSEC }, NULL);
        }
        return FLEET_INTERRUPTED;
}

enum fleet_end fleet_wait(const struct strings *ids, uint64_t timeout_usec, bool quiet)
{
        static const char *const words[] = {
                [FLEET_STUCK] = "a group does not go on by itself; \"bulkhead status\" says why, \"bulkhead group resume\" or \"undo\" go on",
                [FLEET_TIMEOUT] = "the time is over; the controller goes on",
                [FLEET_INTERRUPTED] = "the controller goes on; \"bulkhead status\" shows how far it is",
        };
        struct progress p = { .ids = ids, .live = isatty(2), .quiet = quiet, .last = xalloc(ids->count + 1, sizeof(char *)) };
        struct sigaction mine = { .sa_handler = interrupt }, before;
        (void)sigaction(SIGINT, &mine, &before);
        enum fleet_end end = wait_for(&p, timeout_usec);
        (void)sigaction(SIGINT, &before, NULL);
        for (size_t i = 0; i < ids->count; i++)
                free(p.last[i]);
        free(p.last);
        if (end != FLEET_CONVERGED && end != FLEET_LOST)
                fprintf(stderr, "bulkhead: %s\n", words[end]);
        return end;
}
