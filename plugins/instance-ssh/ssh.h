/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances are given hosts, taken into use over OpenSSH.  What is taken is written down on the host itself, in a claim
 * (remote.sh): that is the database.  Here we keep, in DIR/hosts/KEY.json, which hosts we may hold, what we last saw of their
 * claims, and, before a claim is attempted, for which instance: so that a host out of reach is neither forgotten nor replaced.
 */
#pragma once

#include <pthread.h>

#include "group/instance_record.h"
#include "group/plugin_state.h"
#include "os/background.h"

enum { HOSTS_MAX = 1024, HOST_KEY_SIZE = INSTANCE_NAME_SIZE, LANES = 64 };

/* How a host is reached. */
struct host {
        char *address, *user, *host_key, *folder;
        uint32_t port;
};
void host_done(struct host *h);
void host_copy(struct host *ret, const struct host *from);
/* Names user, address, port and folder: 32 hex digits. */
void host_key_of(const struct host *h, char ret[HOST_KEY_SIZE]);
/* "web1-NAME", "web1:2222-NAME": of the instance with that record name on the host. Allocated. */
char *host_instance_id(const struct host *h, const char *name);

struct pool {
        struct host *hosts;
        size_t count, room;
        char *provision, *destroy; /* shell commands on the host; provision has a default */
        uint64_t limit_usec;       /* for each of the two */
};
void pool_done(struct pool *p);
#define CLEAN_POOL CLEAN(pool_done)
int pool_read(const struct json_place *at, struct pool *ret, struct error *e);
int pool_parse(const char *text, struct pool *ret, struct error *e);

/* What we know of a host. */
struct known {
        struct host host;
        char *intent;                 /* the record name that a claim was attempted for, its outcome unknown; NULL */
        bool claimed;
        struct instance_record claim; /* as last seen */
        uint64_t limit_usec;          /* for the commands of the claim */
};
void known_done(struct known *k);
#define CLEAN_KNOWN CLEAN(known_done)
struct knowns {
        struct known *items;
        size_t count, room;
};
void knowns_done(struct knowns *l);
#define CLEAN_KNOWNS CLEAN(knowns_done)
/* Appends an empty one. */
struct known *knowns_add(struct knowns *l);
void known_format(struct text *t, const struct known *k);
/* Id "ssh.state". */
int known_parse(const char *where, const char *text, size_t size, struct known *ret, struct error *e);

struct ssh {
        struct plugin_folder folder;
        int hosts_fd;
        char *program, *identity; /* ssh; the file of a private key, or NULL */
        struct strings environment;
        bool multiplex; /* the path of the folder is short enough for sockets */
        uint64_t check_usec;
        struct instance_events *events;
        struct background *watcher;
        pthread_mutex_t lock;         /* of busy and doubtful, and of the files in hosts/ */
        pthread_cond_t given_back;
        struct strings busy;          /* keys of hosts that we are at work on */
        struct strings doubtful;      /* keys of hosts where a provision failed: taken last */
        pthread_mutex_t lanes[LANES]; /* of tokens: one token, one lane */
};

/* ---- the files in hosts/ (known.c); under the lock ---- */
int known_load_all(const struct ssh *s, struct knowns *ret, struct error *e);
int known_save(const struct ssh *s, const struct known *k, struct error *e);
void known_forget(const struct ssh *s, const struct known *k);
/* Of one host; -ENOENT when nothing is known. */
int known_load(const struct ssh *s, const struct host *h, struct known *ret, struct error *e);

/* ---- what is said to a host, and what it answers (remote.c) ---- */

enum answer_kind {
        ANSWER_FREE,     /* nobody holds the host; or not the one that was asked about */
        ANSWER_CLAIM,    /* somebody does: record */
        ANSWER_TAKEN,    /* by another, or by what is not ours */
        ANSWER_BUSY,     /* work for this instance goes on there */
        ANSWER_READY,
        ANSWER_FAILED,   /* the command to provision did: code, words */
        ANSWER_STUCK,    /* the command to destroy did: code, words */
        ANSWER_LABELLED,
        ANSWER_CHANGED,  /* the claim is another than the one that labels were added to */
        ANSWER_ERROR,    /* the host cannot keep claims: words */
};
struct answer {
        enum answer_kind kind;
        uint32_t code;
        char *words; /* what the command wrote; of a claim: its second line as it stands there */
        struct instance_record record;
};
void answer_done(struct answer *a);
#define CLEAN_ANSWER CLEAN(answer_done)
/* Of what a host wrote; untrusted. Id "ssh.answer". */
int answer_parse(const char *text, size_t size, struct answer *ret, struct error *e);

/* What a script is told. Absent ones are empty. */
struct request {
        const char *verb; /* "look", "make", "drop", "label" */
        const char *name; /* of the record */
        const char *claim, *old, *provision, *destroy, *init, *logical_id;
        uint64_t limit_usec;
};
/* Ids: "ssh.unreachable" (-EHOSTUNREACH), "ssh.answer". */
int remote_ask(struct ssh *s, const struct host *h, const struct request *q, struct answer *ret, struct error *e);
/* Ends what keeps connections open for the next time. */
void remote_hang_up(struct ssh *s);

/* One look at each of many hosts, several at a time. */
struct look {
        const struct host *host;
        int result; /* 0, or what remote_ask gave, with the error */
        struct answer answer;
        struct error error;
};
void look_at_all(struct ssh *s, struct look *looks, size_t count);
void looks_free(struct look *looks, size_t count);

/* ---- life ---- */

#define TAG_UNREACHABLE "bulkhead.unreachable" /* of an instance whose host could not be asked: "yes" */

bool ssh_is_busy(const struct ssh *s, const struct host *h); /* under the lock */
/* Takes a host for work of ours, waiting so long for others of us; false when they still have it. And gives it back. */
bool ssh_take(struct ssh *s, const struct host *h, uint64_t wait_usec);
void ssh_give_back(struct ssh *s, const struct host *h);
/* What is known after a claim was seen, or seen gone: written down or forgotten. Under the lock. */
int ssh_note_claim(struct ssh *s, struct known *k, const struct instance_record *claim, enum instance_stage stage, struct error *e);
int ssh_note_free(struct ssh *s, struct known *k, struct error *e);
int ssh_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e); /* provision.c */
int ssh_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e);
int ssh_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e);
int ssh_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e);
void ssh_watch(void *self);
