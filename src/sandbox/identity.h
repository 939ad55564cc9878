/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who the payload runs as: accounts, and users that exist only while it runs. */
#pragma once

#include "sandbox/sandbox.h"

enum { DYNAMIC_UID_MIN = 61184, DYNAMIC_UID_MAX = 65519 };

/* The id that systemd's hash gives a name first. */
uid_t identity_dynamic_uid(const char *name);
/* The user name that DynamicUser= derives from a unit's name. Allocated. */
char *identity_unit_user(const char *unit);
/* Fills account, groups and, for a dynamic user, the lock. Errors end with status 217 or 216. */
int identity_resolve(struct sandbox *s, struct error *e);
/* The text of database ("passwd" or "group") with the dynamic user's entry; allocated. */
char *identity_database(const struct sandbox *s, const char *database);
