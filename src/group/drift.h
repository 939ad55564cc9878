/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether an instance still is what its document asked for: the document's Instance.Properties against what the provider describes.  Pure.
 *
 * Compared is what both have, through objects; what only one has is no drift, for a provider says more than a document, and less. null counts as
 * absent. Numbers, strings and truths are equal when they are written alike, and numbers when they are equal. Arrays are compared whole,
 * those of strings alone in any order. Where a document has a number or word and the provider an object, it has another shape: nothing is
 * said of it. So whoever describes in a shape of his own raises no alarm.
 */
#pragma once

#include "base/json.h"

enum { DRIFT_TEXT_MAX = 2048, DRIFT_PREPARED_MAX = 200 };

/*
 * In what it differs, for people: "/Memory is 512, not 1024; /Type is \"b\", not \"a\"". "": in nothing; NULL: they have nothing in common, so it
 * cannot be told. Long values are shortened around where they begin to differ, and those whose name or words speak of a secret left out.
 * prepared: the pointers that are not compared (drift_prepared); NULL: none. Allocated.
 */
char *drift_find(const struct json_node *wanted, const struct json_node *there, const char *prepared);

/*
 * What a flavor has changed of the properties, as the value of TAG_PREPARED: JSON pointers with blanks between them, or "*", for all, where they are too
 * many or have other bytes than tags may have. NULL: nothing. asked and prepared are JSON text; NULL is no properties. Allocated.
 */
char *drift_prepared(const char *asked, const char *prepared);
