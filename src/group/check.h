/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Health checks that the controller makes itself (Health.Check of a group's document). Exactly one member:
 *
 *      {"HTTP": {"URL": "http://{{address}}:{{port}}/health", "Status": "200-399", "Timeout": "5s"}}
 *      {"HTTP": {"Address": "{{address}}", "Port": "{{port}}", "Path": "/"}}           the same in parts; these are the defaults
 *      {"TCP":  {"Address": "{{address}}", "Port": 5432, "Timeout": "5s"}}             a connection is made
 *      {"Exec": {"Command": ["/usr/bin/check", "{{id}}"], "Timeout": "5s"}}            it ends with status 0
 *
 * Places ({{...}}) are those of group/expand.h. Port is a number or such a place. Status is a number, a range, or several
 * between commas. An address is an IPv4 or IPv6 address, in a URL as RFC 3986 writes it, or "localhost": names are not looked up, so
 * that no check waits for a name server and none is led elsewhere. "https" is not spoken; Exec is there for what is more than this.
 *
 * A command is started by the controller, with the controller's rights, without a shell, and with an environment of PATH,
 * BULKHEAD_INSTANCE and BULKHEAD_LOGICAL_ID; it and what it started in its process group is killed when the time is up.
 */
#pragma once

#include "group/flavor.h"

enum { CHECK_STATUS_RANGES_MAX = 16, CHECK_COMMAND_MAX = 64, CHECK_TEXT_MAX = 4096, CHECK_TIMEOUT_MAX_S = 3600 };

enum check_kind { CHECK_HTTP, CHECK_TCP, CHECK_EXEC };
struct status_range {
        uint16_t low, high;
};
struct check {
        enum check_kind kind;
        uint64_t timeout_usec;
        char *url, *address, *port, *path; /* with places */
        struct status_range statuses[CHECK_STATUS_RANGES_MAX];
        uint32_t status_count;
        struct strings command;
};
void check_done(struct check *c);
#define CLEAN_CHECK CLEAN(check_done)
/* Reads the object above. Ids: "json.value", "expand.syntax". */
int check_read(const struct json_place *at, void *into, struct error *e);
/* The same of a text, as struct health_policy keeps it; "json.syntax" as well. */
int check_parse(const char *text, struct check *ret, struct error *e);

/* Where an instance is asked: what the places became. */
struct check_target {
        char *address, *port, *path;
        struct strings command;
};
void check_target_done(struct check_target *t);
#define CLEAN_CHECK_TARGET CLEAN(check_target_done)
/* Ids: those of expand.h, "check.address", "check.url". */
int check_aim(const struct check *c, const struct instance *i, struct check_target *ret, struct error *e);
bool check_status_good(const struct check *c, int status);

struct loop;
struct check_run;
/*
 * How it went: good; or bad, and why ("check.failed", "check.timeout", "check.status"); or unknown, when it could not be made ("check.start").
 * Called once, from a later turn of the loop; the run is freed after it.
 */
typedef void (*check_told)(void *context, enum health health, const struct error *why);
/* Begins a check; c and i are not needed any more when it returns. What makes no sense of the instance is an error, as of check_aim. */
int check_begin(struct loop *loop, const struct check *c, const struct instance *i, check_told told, void *context, struct check_run **ret,
                struct error *e);
/* Ends it, and frees the run: nothing is told any more. */
void check_cancel(struct check_run *r);
