/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for the shells: plugins that listen, and groups. A controller that is slow to answer is not waited for. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/plugin_call.h"

#define PATIENCE_USEC 500000ULL

static int print_plugins(void)
{
        CLEAN_FREE char *folder = plugins_folder();
        CLEAN_STRINGS struct strings names = { 0 };
        if (plugins_list(folder, &names) < 0)
                return 1;
        for (size_t i = 0; i < names.count; i++)
                puts(names.items[i]);
        return 0;
}

static int print_groups(void)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        if (controller_call("Group.InspectGroups", "{\"ID\":\"\"}", PATIENCE_USEC, &d, &result, NULL) < 0)
                return 1;
        const struct json_node *groups = json_member(result, "Groups");
        for (const struct json_node *g = NULL; (g = view_next(groups, g));) {
                text_print_safe(stdout, view_text(g, "ID"));
                putchar('\n');
        }
        return 0;
}

int cmd_complete_groups(int argc, char **argv)
{
        if (argc == 2 && text_equal(argv[1], "plugins"))
                return print_plugins();
        if (argc == 2 && text_equal(argv[1], "groups"))
                return print_groups();
        return cmd_complete(argc, argv);
}
