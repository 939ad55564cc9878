# SPDX-License-Identifier: LGPL-2.1-or-later
"""A runtime built with -Dmutants=true switches one protection off when BULKHEAD_MUTANT names it.  Each row: the mutant, what is off,
and tests that must then fail.  A name is "FILE::FUNCTION", or "FILE::FUNCTION[PARAMETERS]" where only that case can tell.

run-mutants runs the tests of each row twice: without the mutant they must pass, with it they must fail.  PLANNED has the rows
that no MUTANT("...") in the source answers to."""

PATHS, PROCFS, DEVICES, HANDOVER = "test_r1_paths.py::", "test_r3_procfs.py::", "test_r4_devices.py::", "test_r5_handover.py::"
NUMBERS, NAMES, LISTS, EXEC = "test_r9_numbers.py::", "test_r10_names.py::", "test_r13_allow_lists.py::", "test_r15_exec.py::"
BOUNDS, FILTERS = "test_r16_bounds.py::", "test_r19_filters.py::"
PLANNER = "test_planner.py::"
LABELS = "../vm/test_labels.py::"

MUTANTS = {
    # paths
    "follow-links": ("the resolver joins names to the root's path and follows links by name", [
        PATHS + "test_a_link_of_the_image_does_not_lead_a_mount_to_the_host[folder-/new/deep-absolute]",
        PATHS + "test_a_link_of_the_image_does_not_lead_a_device_node_to_the_host[absolute]",
        PATHS + "test_a_root_that_was_changed_by_its_container_starts_again_inside[absolute]"]),
    "dots-climb": ("\"..\" in a destination may leave the root", [
        PATHS + "test_dots_in_a_destination_stay_inside[exact]"]),
    "mount-by-path": ("a destination is resolved, and then mounted on by its name", [
        PATHS + "test_a_destination_that_is_swapped_for_a_link_meanwhile_does_not_lead_to_the_host[tmpfs-]"]),
    "mkdir-by-path": ("missing folders of a destination are made by name", [
        PATHS + "test_a_destination_that_is_swapped_for_a_link_meanwhile_does_not_lead_to_the_host[folder-/sub/deep]"]),
    # procfs
    "trust-proc": ("sysctls and the oom score are written through the container's /proc", [
        PROCFS + "test_a_setting_reaches_the_kernel_or_the_start_fails[no-proc-mount]",
        PROCFS + "test_the_oom_score_reaches_the_kernel_or_the_start_fails[no-proc-mount]"]),
    "any-proc": ("a volume may lie over /proc and below it", [PROCFS + "test_a_volume_over_procfs_is_refused[bind-over-proc]",
                                                              PROCFS + "test_a_volume_over_procfs_is_refused[bind-attr]"]),
    "no-mask": ("maskedPaths are left out", [PROCFS + "test_masked_files_give_nothing_away"]),
    "no-readonly": ("readonlyPaths are left out", [PROCFS + "test_settings_of_the_host_do_not_open_for_writing"]),
    "exec-trust-proc": ("exec writes through the container's /proc", [
        PROCFS + "test_exec_trusts_no_procfs_that_the_container_has_replaced"]),
    # devices
    "follow-dev": ("devices and links are made in /dev by name", [
        DEVICES + "test_dev_as_a_link_does_not_lead_to_the_host[absolute-image-dev]"]),
    "trust-dev-null": ("masks are made with the image's /dev/null", [
        DEVICES + "test_what_an_image_calls_null_does_not_mask[file-image-dev]",
        DEVICES + "test_what_an_image_calls_null_does_not_mask[other-device-image-dev]"]),
    "reopen-stdio": ("stdio with the rdev of the image's /dev/null is opened anew from there", [
        DEVICES + "test_the_callers_files_are_not_swapped_for_the_images[create-file]"]),
    "chown-stdio": ("stdio is given to the container's user, devices too", [
        DEVICES + "test_a_device_of_the_caller_keeps_its_owner[plain-dev-zero]"]),
    "follow-console": ("/dev/console is made through a link", [
        DEVICES + "test_the_console_is_not_made_through_a_link[absolute-console-image-dev]"]),
    "allow-devices": ("without a rule every device is allowed", [
        DEVICES + "test_a_device_that_was_not_asked_for_does_not_open[run-empty-list]",
        DEVICES + "test_a_device_that_was_not_asked_for_does_not_open[exec-no-resources]"]),
    # handover
    "keep-fds": ("descriptors are not closed before the payload's exec", [
        HANDOVER + "test_no_descriptor_of_the_caller_or_of_the_runtime_is_inherited[7-run]",
        HANDOVER + "test_no_descriptor_of_the_caller_or_of_the_runtime_is_inherited[7-exec]"]),
    "keep-cwd": ("the working directory is not checked after chdir", [
        HANDOVER + "test_exec_does_not_start_in_a_folder_of_the_host[config]"]),
    "exec-keep-cwd": ("the working directory is not checked after chdir, and exec keeps its descriptors until then", [
        HANDOVER + "test_exec_does_not_start_in_a_folder_of_the_host[exec]"]),
    "join-early": ("exec's process is seen in the container while its root is still the host's", [
        HANDOVER + "test_who_joins_a_container_shows_it_no_way_to_the_host[root-ptrace]"]),
    "join-with-fd": ("exec's process holds a folder of the host while it is seen in the container", [
        HANDOVER + "test_who_joins_a_container_shows_it_no_way_to_the_host[root-ptrace]"]),
    "dumpable": ("the process is not made undumpable before it joins, and holds a folder of the host", [
        HANDOVER + "test_who_joins_a_container_shows_it_no_way_to_the_host[root-default]"]),
    "start-early": ("a starting container is seen in a shared process namespace while it is set up", [
        HANDOVER + "test_who_starts_in_the_process_namespace_of_another_shows_it_no_way_to_the_host[ptrace]"]),
    "writable-exe": ("the runtime executes its own file and not a sealed copy", [
        HANDOVER + "test_the_runtimes_own_file_cannot_be_written_from_inside[exec-script-default]"]),
    "session-keyring": ("the caller's session keyring is kept", [
        HANDOVER + "test_the_callers_session_keyring_is_not_inherited[run]",
        HANDOVER + "test_the_callers_session_keyring_is_not_found_by_the_name_that_runtimes_give_it[run]",
        HANDOVER + "test_two_containers_have_two_session_keyrings"]),
    "exec-keyring": ("exec keeps the caller's session keyring", [
        HANDOVER + "test_the_callers_session_keyring_is_not_inherited[exec]",
        HANDOVER + "test_the_callers_session_keyring_is_not_found_by_the_name_that_runtimes_give_it[exec]"]),
    "no-setsid": ("the payload stays in the caller's session", [
        HANDOVER + "test_a_payload_cannot_type_into_the_callers_terminal[run]",
        HANDOVER + "test_a_payload_does_not_have_the_callers_terminal[run]"]),
    # numbers
    "allow-uid-wrap": ("ids are cut to 32 bits, and 4294967295 is taken", [
        NUMBERS + "test_an_id_that_does_not_fit_is_refused[uid-4294967295]",
        NUMBERS + "test_a_user_that_is_no_number_is_refused_by_exec[4294967296]"]),
    "digits-prefix": ("exec reads a user up to the first byte that is no digit", [
        NUMBERS + "test_a_user_that_is_no_number_is_refused_by_exec[1x]",
        NUMBERS + "test_a_user_that_is_no_number_is_refused_by_exec[x]"]),
    "user-by-name": ("exec looks a user up in the image's passwd, numbers too", [
        NUMBERS + "test_a_number_is_not_looked_up_as_a_name[1000:x:0:0::/:]"]),
    "cut-maps": ("id map lines beyond the kernel's limit are dropped", [
        NUMBERS + "test_more_id_map_lines_than_the_kernel_takes_are_refused[2000]"]),
    # names and state
    "id-as-path": ("an id is joined to the state's path unchecked", [
        NAMES + "test_an_id_that_is_a_path_is_refused_by_every_command[state]",
        NAMES + "test_an_id_that_is_a_path_is_refused_by_every_command[delete --force]"]),
    "delete-any": ("delete removes a folder that holds no state of ours", [NAMES + "test_delete_takes_away_only_what_is_a_container"]),
    "cgroup-dots": ("\"..\" is allowed in cgroupsPath", [
        NAMES + "test_a_cgroup_path_that_climbs_makes_nothing_outside[/../../../../..{}]"]),
    "open-state": ("the state's folders have mode 0777 less the umask", [NAMES + "test_the_state_is_nobody_elses[0]"]),
    "bare-pid": ("the state's process number is believed without its start time", [
        NAMES + "test_who_has_the_number_of_a_dead_container_is_left_alone[kill KILL]",
        NAMES + "test_who_has_the_number_of_a_dead_container_is_left_alone[delete --force]"]),
    "raw-listing": ("control characters are printed as they are", [NAMES + "test_listings_show_no_control_characters"]),
    # allow lists
    "raw-sysctl": ("every sysctl is taken, whatever its name", [
        LISTS + "test_a_setting_of_the_host_is_refused[kernel.core_pattern]",
        LISTS + "test_a_setting_with_a_crooked_name_is_refused[net/ipv4/../../kernel/core_pattern]"]),
    "host-sysctl": ("a sysctl is taken without a namespace of the container's own", [
        LISTS + "test_a_setting_of_a_namespace_that_is_the_hosts_is_refused[network-net.ipv4.ip_forward-not-listed]",
        LISTS + "test_a_setting_of_a_namespace_that_is_the_hosts_is_refused[ipc-kernel.msgmax-path-to-the-hosts]"]),
    "cgroup-rw": ("cgroups are mounted writable, whatever was asked", [
        LISTS + "test_no_release_agent_opens_for_writing[privileges0]",
        LISTS + "test_cgroups_that_are_asked_to_be_read_only_are"]),
    "pass-hook-env": ("hooks get the caller's and the process's environment", [
        LISTS + "test_a_hook_has_its_own_environment_and_not_the_images[createRuntime]"]),
    "ignore-lsm": ("a label that cannot be applied is passed over", [
        LISTS + "test_a_label_that_cannot_be_applied_stops_the_start[apparmorProfile]"]),
    "ignore-mount-label": ("what is mounted gets no label", [
        LABELS + "test_in_the_guest[selinux-test_what_is_mounted_has_the_mount_label_and_what_has_the_policys_keeps_it]",
        LABELS + "test_in_the_guest[selinux-test_a_container_writes_to_its_own_mounts_for_they_have_its_label]"]),
    "ignore-unknown": ("unknown namespaces, limits and actions are passed over", [
        LISTS + "test_a_word_that_is_not_known_is_refused[namespace]", LISTS + "test_a_word_that_is_not_known_is_refused[rlimit]"]),
    # exec
    "keep-caps": ("the inheritable set is filled from the permitted one", [
        EXEC + "test_capabilities_are_those_of_the_container_and_none_are_handed_down[run-0]"]),
    "exec-all-caps": ("exec keeps the caller's bounding set", [
        EXEC + "test_capabilities_are_those_of_the_container_and_none_are_handed_down[exec-1000]"]),
    "exec-no-nnp": ("exec does not set no_new_privs", [EXEC + "test_no_new_privileges_holds_for_every_process[exec]"]),
    "exec-no-seccomp": ("exec loads no filter", [EXEC + "test_the_system_call_filter_holds_for_every_process[exec-True]"]),
    "exec-no-cgroup": ("exec stays in the caller's cgroup", [EXEC + "test_every_process_is_in_the_cgroup_of_its_container[exec]"]),
    "keep-groups": ("the caller's groups are kept", [EXEC + "test_no_group_of_the_caller_is_kept[run]"]),
    "keep-env": ("the caller's environment is added", [EXEC + "test_the_environment_is_that_of_the_configuration[run]"]),
    # bounds
    "unbounded-passwd": ("passwd is opened blocking and read to its end", [
        BOUNDS + "test_passwd_of_the_image_cannot_hold_up_the_runtime[fifo-passwd-run]"]),
    "host-passwd": ("passwd is opened by name, through links", [BOUNDS + "test_passwd_is_not_read_from_the_host[run-absolute]"]),
    "json-twice": ("of two members with one name the last counts", [BOUNDS + "test_a_key_that_stands_there_twice_is_refused"]),
    "json-zero": ("a text ends at its first zero byte", [BOUNDS + "test_a_zero_byte_in_a_text_is_refused[mount-destination]"]),
    # filters
    "no-seccomp": ("the filter is not loaded", [FILTERS + "test_a_call_that_the_filter_denies_is_denied"]),
    "seccomp-one-abi": ("calls of an ABI that is not listed pass", [
        FILTERS + "test_the_filter_sees_x32_calls_even_where_the_kernel_has_none"]),
    "seccomp-low-half": ("only the lower half of an argument is compared", [
        FILTERS + f"test_both_halves_of_an_argument_are_compared[EQ-{0x100000002}-0-2-False]"]),
    "seccomp-no-enosys": ("a call newer than the filter gets the default action", [
        FILTERS + "test_a_call_that_is_newer_than_the_filter_does_not_exist[999]"]),
    # the planner of groups
    "plan-unsaved-intent": ("the planner provisions before its promise is on disk", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-unsaved-leave": ("the planner destroys before that is on disk", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-new-token": ("what may have had an effect is repeated with another token", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-no-backoff": ("failed calls are repeated at once", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-unsure-free": ("what may come of calls whose outcome is unsure is not counted", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-no-floor": ("a roll takes away whom it likes", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-more-surge": ("a roll makes more than its surge", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-any-tag": ("instances of others are taken for ours", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-late-lists": ("a list is believed although it may be late", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-all-drift": ("all that have drifted are replaced at once", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
    "plan-unprotected": ("protected instances are destroyed", [PLANNER + "test_what_must_hold_in_a_fleet_holds"]),
}

# Not wired yet.
PLANNED = {}
