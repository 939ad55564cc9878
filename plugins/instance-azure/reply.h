/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Azure answers, as values: tokens, faults, operations, machines, network interfaces.  Pure readers of text from outside, with the
 * limits of base/json.h; members that are not needed are passed over.  tests/fuzz/fuzz_azure.c feeds them all.
 */
#pragma once

#include "base/secret.h"
#include "group/tags.h"

enum { AZURE_REPLY_MAX = 32 << 20, AZURE_NAME_MAX = 80 };

/* Whether s is a name that Azure allows for a machine or an interface: nothing that could mean more in a path. */
bool azure_name_valid(const char *s);

/* {"error":{"code","message"}} of the resource manager, {"error","error_description"} of the login. Either may stay NULL. */
struct azure_fault {
        char *code, *message;
};
void azure_fault_done(struct azure_fault *f);
#define CLEAN_FAULT CLEAN(azure_fault_done)
/* Never fails: what is no fault in either form gives an empty one. */
void azure_fault_read(const char *text, size_t size, struct azure_fault *ret);

/* How far an operation or a resource is; the words are Azure's provisioningState and status. */
enum azure_state { AZURE_BUSY, AZURE_SUCCEEDED, AZURE_FAILED, AZURE_CANCELED, AZURE_DELETING };
enum azure_state azure_state_of(const char *word);

/* {"status","error"} from the address in Azure-AsyncOperation. */
struct azure_operation {
        enum azure_state state;
        struct azure_fault fault;
};
void azure_operation_done(struct azure_operation *o);
int azure_operation_read(const char *text, size_t size, struct azure_operation *ret, struct error *e);

/*
 * A machine's text with the member VM: those of the document that can change, where documents have them, so that drift is seen. What Azure gives in
 * other words than it was told is not among them. Allocated.
 */
char *azure_observed(const char *machine);

struct azure_machine {
        char *name;
        enum azure_state state;
        struct tags tags;
        char *text; /* the machine as it was given, without what may be secret */
};
struct azure_interface {
        char *name, *etag;
        enum azure_state state;
        struct tags tags;
        bool attached; /* to a machine */
};
void azure_machine_done(struct azure_machine *m);
void azure_interface_done(struct azure_interface *n);
#define CLEAN_MACHINE CLEAN(azure_machine_done)
#define CLEAN_INTERFACE CLEAN(azure_interface_done)
int azure_machine_read(const char *text, size_t size, struct azure_machine *ret, struct error *e);
int azure_interface_read(const char *text, size_t size, struct azure_interface *ret, struct error *e);

/* One page of a list, {"value":[...],"nextLink"}: with machines or interfaces, whichever reader is asked. */
struct azure_page {
        struct azure_machine *machines;
        struct azure_interface *interfaces;
        size_t machine_count, machine_room, interface_count, interface_room;
        char *next; /* NULL: it is the last */
};
void azure_page_done(struct azure_page *p);
#define CLEAN_PAGE CLEAN(azure_page_done)
int azure_page_read_machines(const char *text, size_t size, struct azure_page *ret, struct error *e);
int azure_page_read_interfaces(const char *text, size_t size, struct azure_page *ret, struct error *e);

/* {"statuses":[{"code":"PowerState/running"}...]}: whether it runs, or is about to. */
int azure_power_read(const char *text, size_t size, bool *ret_runs, struct error *e);

/* {"access_token","expires_in"}; the number comes as one or as a string. */
struct azure_token {
        char *secret;
        uint64_t lifetime_s;
};
void azure_token_done(struct azure_token *t); /* wipes it */
#define CLEAN_TOKEN CLEAN(azure_token_done)
int azure_token_read(const char *text, size_t size, struct azure_token *ret, struct error *e);
