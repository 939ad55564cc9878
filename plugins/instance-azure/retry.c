/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "retry.h"

#include "base/text.h"

bool retry_status(long status)
{
        static const long rows[] = { 408, 429, 500, 502, 503, 504 };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i] == status)
                        return true;
        return false;
}

bool retry_code(const char *code)
{
        static const char *const rows[] = {
                "AnotherOperationInProgress", "NicReservedForAnotherVm", "OperationPreempted", "RetryableError", "RetryableErrorDueToAnotherOperation",
        };
        for (size_t i = 0; code && i < ELEMENTS(rows); i++)
                if (text_equal(rows[i], code))
                        return true;
        return false;
}

bool retry_after_parse(const char *header, uint64_t *ret_s)
{
        return header && text_parse_uint(header, RETRY_AFTER_MAX_S, ret_s) == 0;
}

uint64_t retry_delay_ms(unsigned attempt, const char *retry_after, uint32_t random)
{
        uint64_t said_s, bound = RETRY_BASE_MS;
        if (retry_after_parse(retry_after, &said_s))
                return said_s * 1000 + random % (said_s * 200 + 100);
        for (unsigned i = 1; i < attempt && bound < RETRY_CAP_MS; i++)
                bound *= 2;
        return random % (bound < RETRY_CAP_MS ? bound : RETRY_CAP_MS) + 1;
}
