/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands. Each gets its own argv, argv[0] being "bulkhead COMMAND", and returns an exit status. */
#pragma once

int cmd_apply(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_complete(int argc, char **argv);
int cmd_complete_groups(int argc, char **argv); /* the same with plugins and groups */
int cmd_events(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_flavor(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_instance(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_plugin(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_template(int argc, char **argv);
int cmd_unit(int argc, char **argv);
int cmd_boot_units(int argc, char **argv);
int cmd_init(int argc, char **argv);
