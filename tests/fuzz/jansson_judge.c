/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jansson_judge.h"

#include <jansson.h>
#include <string.h>

enum judgement jansson_judge(const uint8_t *data, size_t size)
{
        json_error_t why;
        if (memchr(data, 0, size))
                return UNDECIDED; /* jansson takes some NUL bytes for the end */
        json_t *o = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!o) {
                enum json_error_code code = json_error_code(&why);
                return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ? UNDECIDED : REFUSED;
        }
        json_decref(o);
        return TAKEN;
}
