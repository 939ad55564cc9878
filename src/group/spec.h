/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A group's document: what is to be there.  InfraKit's document is one; what Bulkhead adds stands in members that InfraKit passes
 * over: more of Updating, Health, Drift, Limits and Protection.
 *
 *      {"ID": "web", "Properties": {
 *        "Allocation": {"Size": 3},                           or {"LogicalIDs": ["10.0.0.1", ...]}; never both
 *        "Instance":   {"Plugin": "service", "Properties": {...}},
 *        "Flavor":     {"Plugin": "vanilla", "Properties": {...}},
 *        "Updating":   {"Duration": "30s"  or  "Count": 3,    how long, or how many checks, new ones must be good
 *                       "SkipBeforeInstanceDestroy": "drain", "DrainWait": "5s",
 *                       "Surge": 1 or "25%", "Unavailable": 0 or "25%", "Batch": 1 or "10%", "Canary": 1 or "5%",
 *                       "Checkpoints": ["25%", "50%"], "Bake": "10m", "Deadline": "10m", "OnFailure": "pause" or "rollback"},
 *        "Health":     {"Interval": "1s", "Grace": "30s", "Failures": 3, "Budget": 1 or "20%", "Check": {...}},
 *        "Drift":      {"Interval": "5m", "Action": "tell" or "replace"},
 *        "Limits":     {"Parallel": 32, "Attempts": 5, "Backoff": "1s", "BackoffMax": "5m", "Rate": "100/1m", "Reset": "10m"},
 *        "Poll":       "10s",
 *        "Protection": {"Group": true, "Instances": ["id", ...]}}}
 */
#pragma once

#include "group/flavor.h"

/* A number, or a percentage of the group's size. */
struct share {
        uint32_t value;
        bool percent;
};
/* Of so many: up (surge, budget of at least one) or down. */
uint32_t share_up(struct share s, uint32_t of);
uint32_t share_down(struct share s, uint32_t of);

enum on_failure { ON_FAILURE_PAUSE, ON_FAILURE_ROLLBACK };
enum { CHECKPOINTS_MAX = 16 };

struct updating {
        uint64_t duration_usec; /* a new one must be good for so long... */
        uint32_t count;         /* ...or at so many checks, one after another */
        bool skip_drain;
        uint64_t drain_wait_usec; /* a drained instance is kept for so long, until nobody sends it anything any more */
        struct share surge, unavailable, batch, canary; /* defaults: 1, 0, 1, none */
        struct share checkpoints[CHECKPOINTS_MAX];      /* where a roll waits until it is resumed; ascending */
        uint32_t checkpoint_count;
        uint64_t bake_usec;     /* after the canary, at each checkpoint and at the end; 0 at a checkpoint: wait for `resume` */
        uint64_t deadline_usec; /* a new one must be good by then; 0: no limit. Default 10 min */
        enum on_failure on_failure;
};
struct health_policy {
        uint64_t interval_usec;  /* between checks of one instance; 0: health is only looked at in a roll. Default 10 s with a Check, else 0 */
        uint64_t grace_usec;     /* a new instance that is not good yet is left alone for so long. Default 30 s */
        uint32_t failures;       /* so many bad answers one after another make it sick. Default 3 */
        struct share budget;     /* so many sick ones are replaced at once; more than 2 budgets sick opens the breaker. Default 20 % */
        char *check;             /* JSON of a check by the controller itself (http, tcp, exec); NULL: the flavor's Healthy */
};
enum drift_action { DRIFT_TELL, DRIFT_REPLACE };
struct drift_policy {
        uint64_t interval_usec; /* so often the properties of instances are compared with the document's; 0: never. Default 5 min */
        enum drift_action action; /* replace: within the budget of health, as the sick are, and only once a roll is over. Default: tell */
};
struct limits {
        uint32_t parallel;       /* calls in hand at once; 0: no limit but the controller's own */
        uint32_t attempts;       /* failed provisions one after another that open the circuit. Default 5 */
        uint64_t backoff_usec, backoff_max_usec; /* between attempts, doubled, with jitter. Defaults 1 s, 5 min */
        uint32_t rate;           /* provisions in rate_usec at most; 0: no limit */
        uint64_t rate_usec;
        uint64_t reset_usec;     /* an open circuit lets one attempt through after so long. Default 10 min */
};
struct plugin_use {
        char *plugin;     /* "aws/ec2-instance" */
        char *properties; /* JSON text, as written; NULL: none */
};
struct group_spec {
        char *id;
        struct allocation allocation;
        struct plugin_use instance, flavor;
        struct updating updating;
        struct health_policy health;
        struct drift_policy drift;
        struct limits limits;
        uint64_t poll_usec; /* how often instances are listed though nobody tells of changes. 0: not said; the controller has a default, and writes it here */
        bool protect_group; /* no destroy, and no scaling to zero */
        struct strings protect_instances;
        char hash[33];      /* group_hash of instance and flavor */
        char *text;         /* the whole document, compact, members in their order */
};
void group_spec_done(struct group_spec *s);
#define CLEAN_GROUP_SPEC CLEAN(group_spec_done)
/* Reads {"ID","Properties"} into a spec that is all zero; every member is checked. Id: "json.value". 0 or -errno; done after either. */
int group_spec_read(const struct json_place *at, void *into, struct error *e);
/* The document in InfraKit's form of a reply: {"ID","Properties":{Allocation with LogicalIDs null..., Updating...}} plus our members. */
void group_spec_format(struct text *t, const struct group_spec *s);
/* The same document with another size, or with the Instance and Flavor of another; text and hash are made anew. */
void group_spec_set_size(struct group_spec *s, uint32_t size);
void group_spec_set_configuration(struct group_spec *s, const struct group_spec *from);
/* How many there are to be: the size, or the number of logical ids. */
uint32_t group_spec_count(const struct group_spec *s);

/*
 * InfraKit's hash of a configuration: base32, lower case, of the SHA-1 over the pretty form of Instance and that of Flavor, sorted by
 * name at every level, numbers as Go formats a float64.  instance and flavor are the values of Properties.Instance and Properties.Flavor.
 */
void group_hash(const struct json_node *instance, const struct json_node *flavor, char ret[33]);
/* Go's time.ParseDuration for what is not negative: "1h2m3.5s", "300ms", "0". 0, -EINVAL, -ERANGE. */
int duration_parse(const char *s, uint64_t *ret_usec);
/* Go's Duration.String: "1m30s", "0s", "1.5s". At least 32 bytes. */
void duration_format(uint64_t usec, char ret[32]);
