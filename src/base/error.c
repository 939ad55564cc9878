/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

__attribute__((format(printf, 4, 0))) static void record(struct error *e, int errnum, const char *id,
                                                         const char *format, va_list ap)
{
        *e = (struct error){ .code = errnum < 0 ? errnum : -errnum };
        (void)snprintf(e->id, sizeof e->id, "%s", id);
        (void)vsnprintf(e->cause, sizeof e->cause, format, ap);
}

int error_set(struct error *e, int errnum, const char *id, const char *format, ...)
{
        if (e) {
                va_list ap;
                va_start(ap, format);
                record(e, errnum, id, format, ap);
                va_end(ap);
        }
        return errnum < 0 ? errnum : -errnum;
}

int error_restore(struct error *e, int errnum, const char *id, const char *cause)
{
        return error_set(e, errnum, id, "%s", cause);
}

int error_errno(struct error *e, int errnum, const char *id, const char *format, ...)
{
        if (e) {
                va_list ap;
                va_start(ap, format);
                record(e, errnum, id, format, ap);
                va_end(ap);
                size_t used = strlen(e->cause);
                (void)snprintf(e->cause + used, sizeof e->cause - used, ": %s",
                               strerror(errnum < 0 ? -errnum : errnum));
        }
        return errnum < 0 ? errnum : -errnum;
}

int error_while(struct error *e, const char *format, ...)
{
        if (!e)
                return -EIO;
        if (e->lines < ERROR_WHILE_MAX) {
                va_list ap;
                va_start(ap, format);
                (void)vsnprintf(e->whiles[e->lines++], ERROR_LINE_MAX, format, ap);
                va_end(ap);
        }
        return e->code;
}

void error_hint(struct error *e, const char *format, ...)
{
        if (!e || e->hint[0])
                return;
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(e->hint, sizeof e->hint, format, ap);
        va_end(ap);
}

void error_status(struct error *e, int exit_status)
{
        if (e && !e->exit_status)
                e->exit_status = exit_status;
}

static void print_row(FILE *f, const char *label, const char *value)
{
        fprintf(f, "  %-7s", label);
        text_print_safe(f, value);
        fputc('\n', f);
}

void error_print(FILE *f, const char *program, const char *subject, const struct error *e)
{
        fprintf(f, "%s: ", program);
        text_print_safe(f, subject);
        fputc('\n', f);
        for (int i = e->lines - 1; i >= 0; i--)
                print_row(f, "while", e->whiles[i]);
        print_row(f, "cause", e->cause);
        if (e->hint[0])
                print_row(f, "hint", e->hint);
        print_row(f, "id", e->id);
}

void error_note(FILE *f, const char *program, const char *words)
{
        fprintf(f, "%s: note: ", program);
        text_print_safe(f, words);
        fputc('\n', f);
}
