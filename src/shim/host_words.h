/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What specifiers that are seldom used stand for: read from the host when one is. */
#pragma once

/* %a %A %B %M %o %w %W %v %l %q %g, by their letters. Allocated; "" where the host does not say; NULL for other letters. */
char *host_word(char letter);
