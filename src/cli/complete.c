/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "bulkhead __complete directives", "... units" and "... unit-files": one word a line, for the shells' completions. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "plan/directive.h"
#include "shim/unit_load.h"

static int print_unit(void *data, int runs_fd, const char *unit)
{
        (void)data, (void)runs_fd;
        puts(unit);
        return 0;
}

static int print_units(void)
{
        CLEAN_FD int root_fd = target_root(NULL);
        return root_fd >= 0 && runs_list(root_fd, print_unit, NULL) == 0 ? 0 : 1;
}

static int print_directives(void)
{
        const char *name, *summary;
        for (unsigned i = 0; (name = directive_name(i, &summary)); i++)
                printf("%s=\t%s\n", name, summary);
        return 0;
}

static int print_unit_files(void)
{
        CLEAN_STRINGS struct strings folders = { 0 }, names = { 0 };
        if (unit_folders(getenv("BULKHEAD_UNIT_PATH"), geteuid() != 0, &folders, NULL) < 0)
                return 1;
        unit_list_names(&folders, &names);
        for (size_t i = 0; i < names.count; i++)
                puts(names.items[i]);
        return 0;
}

int cmd_complete(int argc, char **argv)
{
        if (argc == 2 && text_equal(argv[1], "directives"))
                return print_directives();
        if (argc == 2 && text_equal(argv[1], "units"))
                return print_units();
        if (argc == 2 && text_equal(argv[1], "unit-files"))
                return print_unit_files();
        return 1;
}
