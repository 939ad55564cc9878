/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of learn. */
#pragma once

#include "plan/learn.h"

/* A new row, its comment from the format. */
struct learned_row *learn_row(struct learned *l, const char *directive, const char *seen, ...) __attribute__((format(printf, 3, 4)));
void learn_assign(struct learned_row *row, const char *name, const char *value);
void learn_note(struct learned *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The value of the last assignment that is given; NULL if there is none. */
const char *learn_given(const struct learn_facts *f, const char *name);

/* learn_calls.c */
void learn_calls(const struct learn_facts *f, struct learned *l);
/* learn_paths.c */
void learn_paths(const struct learn_facts *f, struct learned *l);
/* learn_network.c */
void learn_network(const struct learn_facts *f, struct learned *l);
