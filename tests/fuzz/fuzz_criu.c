/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as an answer of criu: texts end within their room, and a whole conversation of them ends. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/criu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *data, size_t size)
{
        struct criu_response s;
        int r = criu_parse(data, size, &s);
        if (r != 0 && r != -EBADMSG)
                abort();
        if (!memchr(s.script, 0, sizeof s.script) || !memchr(s.message, 0, sizeof s.message))
                abort();
}

/* The input twice as messages, and then silence. */
static void talk(const uint8_t *data, size_t size)
{
        CLEAN_TEXT struct text options = { 0 };
        struct criu_answer answer = CRIU_ANSWER_INIT;
        struct error e = { 0 };
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                abort();
        criu_add_text(&options, CRIU_LOG_FILE, "log");
        for (int i = 0; i < 2; i++)
                if (send(ends[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                        break;
        (void)shutdown(ends[1], SHUT_WR);
        int r = criu_ask(ends[0], CRIU_RESTORE, &options, &answer, &e);
        if ((r == 0) != (answer.pid > 1) || (r < 0 && !e.id[0]) || answer.terminal_fd >= 0)
                abort();
        (void)close(ends[0]);
        (void)close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        parse(data, size);
        if (size > 0 && size <= 8192)
                talk(data, size);
        return 0;
}
