/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a payload is by its labels: "KEY VALUE" a line.  probe [PATH...]: itself, its session keyring, and these files. */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static void print(const char *key, const char *value, long n)
{
        if (n < 0)
                printf("%s -%d\n", key, errno);
        else
                printf("%s %.*s\n", key, (int)strcspn(value, "\n"), value);
}

int main(int argc, char **argv)
{
        char text[4096] = "";
        FILE *f = fopen("/proc/self/attr/current", "r");
        print("process", text, f && fgets(text, sizeof text, f) ? 1 : -1);
        memset(text, 0, sizeof text);
        print("keyring", text, syscall(SYS_keyctl, KEYCTL_GET_SECURITY, KEY_SPEC_SESSION_KEYRING, text, sizeof text - 1, 0));
        for (int i = 1; i < argc; i++) {
                memset(text, 0, sizeof text);
                print(argv[i], text, lgetxattr(argv[i], "security.selinux", text, sizeof text - 1));
        }
        return 0;
}
