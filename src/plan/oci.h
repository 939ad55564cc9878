/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiles an OCI configuration (runtime-spec 1.0 to 1.x, config.json) into a plan.  Pure: text in, plan or error out.
 * What is asked for and not understood is an error that names its JSON pointer; unknown members are passed over, as
 * the specification asks.
 */
#pragma once

#include "base/json.h"
#include "plan/plan.h"

enum { OCI_CONFIG_MAX = 16 << 20 }; /* bytes */

/* What the compiler cannot read out of the text. Strings are borrowed. */
struct oci_facts {
        const char *id;     /* of the container */
        const char *bundle; /* absolute: root.path is relative to it */
        uint64_t capabilities_all; /* what this kernel knows */
        bool rootless; /* no privilege over the host */
};

/* p->container is set; p->unit is the id. */
int oci_compile(const struct json_document *config, const struct oci_facts *facts, struct plan *p, struct error *e);
/*
 * Reads a process object (exec's --process FILE) over the process part of a plan.  name stands for the document in errors.
 */
int oci_compile_process(const struct json_place *at, struct plan *p, struct error *e);

/* Reads an array of mounts and adds them to those of a container's plan. */
int oci_compile_mounts(const struct json_place *at, struct plan *p, const struct oci_facts *facts, struct error *e);

/* The default configuration as `spec` writes it, and with rootless the one of an ordinary user. */
void oci_spec_text(bool rootless, uid_t uid, gid_t gid, struct text *t);
/* The words that a mount's options may hold, beside those of file systems, by number; NULL behind the last. */
const char *oci_mount_option(size_t n);
