/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SipHash-2-4 (Aumasson and Bernstein, 2012), as systemd derives dynamic user ids from names. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t hash_sip24(const void *data, size_t size, const uint8_t key[16]);
