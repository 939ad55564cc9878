# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for bulkhead

set -l commands run explain learn score ps logs stop kill inspect attach unit

complete -c bulkhead -f
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a run -d 'Run a command in a sandbox'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a explain -d 'Show in words what run would do'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a learn -d 'Write the tightest directives under which a command still works'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a score -d 'Show how exposed the service of a unit file would be'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a ps -d 'List runs'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a logs -d 'Show the output of a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a stop -d 'Stop runs and forget them'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a kill -d 'Send a signal to a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a inspect -d 'Show all that is known of a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a attach -d 'Connect the terminal to a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a unit -d 'Show and verify systemd\'s unit files'

set -l run "__fish_seen_subcommand_from run explain"
complete -c bulkhead -n "$run" -l like -x -a '(bulkhead __complete unit-files 2>/dev/null)' -d "The sandbox of a unit's file"
complete -c bulkhead -n "$run" -s p -l property -x -a '(bulkhead __complete directives 2>/dev/null)' -d 'Set a sandbox directive'
complete -c bulkhead -n "$run" -s t -l pty -d 'Run on a terminal of its own'
complete -c bulkhead -n "$run" -s P -l pipe -d 'Pass standard input, output and error on'
complete -c bulkhead -n "$run" -s S -l shell -d 'Start a shell here'
complete -c bulkhead -n "$run" -l wait -d 'Wait for the end and tell how it came'
complete -c bulkhead -n "$run" -s G -l collect -d 'Keep no record'
complete -c bulkhead -n "$run" -s q -l quiet -d 'Say nothing but errors'
complete -c bulkhead -n "$run" -s u -l unit -x -d 'Name the run'
complete -c bulkhead -n "$run" -l description -x -d 'Describe the run'
complete -c bulkhead -n "$run" -l uid -x -a '(__fish_complete_users)' -d 'Run as this user'
complete -c bulkhead -n "$run" -l gid -x -a '(__fish_complete_groups)' -d 'Run as this group'
complete -c bulkhead -n "$run" -s E -l setenv -x -a '(set -nx)' -d 'Set or pass on a variable'
complete -c bulkhead -n "$run" -s d -l same-dir -d 'Start in this folder'
complete -c bulkhead -n "$run" -l working-directory -x -a '(__fish_complete_directories)' -d 'Start in this folder'
complete -c bulkhead -n "$run" -l expand-environment -x -a 'yes no' -d 'Expand $NAME in the command'
complete -c bulkhead -n "$run" -l user -d 'As a service of an ordinary user'
complete -c bulkhead -n "$run" -l system -d 'As a service of the system'
complete -c bulkhead -n "$run" -l lenient -d 'Ignore with a note what is invalid'
complete -c bulkhead -n "$run" -l report-denials -d 'Say which directive stopped which call'
complete -c bulkhead -n "__fish_seen_subcommand_from explain" -l json -d 'Print JSON'
complete -c bulkhead -n "$run" -l seal -x -a 'auto landlock userns off' -d 'How the sandbox is kept shut'
complete -c bulkhead -n "$run" -a '(__fish_complete_command)'

set -l learn "__fish_seen_subcommand_from learn"
complete -c bulkhead -n "$learn" -l unit -x -a '(bulkhead __complete unit-files 2>/dev/null)' -d "Learn from the service of a unit's file"
complete -c bulkhead -n "$learn" -s p -l property -x -a '(bulkhead __complete directives 2>/dev/null)' -d 'A directive that holds while it is watched'
complete -c bulkhead -n "$learn" -l runs -x -d 'Watch it so many times'
complete -c bulkhead -n "$learn" -l for -x -d 'End it after these seconds'
complete -c bulkhead -n "$learn" -l exercise -x -d 'Run this client while it is up'
complete -c bulkhead -n "$learn" -l merge -r -F -d 'Add what is seen to these observations'
complete -c bulkhead -n "$learn" -l verify -a 'yes no' -d 'Run it under the result'
complete -c bulkhead -n "$learn" -l output -r -F -d 'Write the drop-in to this file'
complete -c bulkhead -n "$learn" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "$learn" -s q -l quiet -d 'Say nothing but errors'
complete -c bulkhead -n "$learn" -l user -d 'As a service of an ordinary user'
complete -c bulkhead -n "$learn" -l system -d 'As a service of the system'
complete -c bulkhead -n "$learn" -l lenient -d 'Ignore with a note what is invalid'
complete -c bulkhead -n "$learn" -a '(__fish_complete_command)'

complete -c bulkhead -n "__fish_seen_subcommand_from score" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "__fish_seen_subcommand_from score" -l threshold -x -d 'End with status 1 above this, 0 to 100'
complete -c bulkhead -n "__fish_seen_subcommand_from score" -l lenient -d 'Ignore with a note what is invalid'
complete -c bulkhead -n "__fish_seen_subcommand_from score" -k -a '(__fish_complete_suffix .service)' -d 'Unit file'
complete -c bulkhead -n "__fish_seen_subcommand_from ps" -s a -l all -d 'Also ended runs'
complete -c bulkhead -n "__fish_seen_subcommand_from ps" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "__fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the end'
complete -c bulkhead -n "__fish_seen_subcommand_from logs" -s n -l tail -x -d 'Only the last lines'
complete -c bulkhead -n "__fish_seen_subcommand_from logs" -s t -l timestamps -d 'Begin lines with their time'
complete -c bulkhead -n "__fish_seen_subcommand_from stop" -s t -l time -x -d 'How long to wait before SIGKILL'
complete -c bulkhead -n "__fish_seen_subcommand_from kill" -s s -l signal -x -a 'TERM INT HUP KILL QUIT USR1 USR2 STOP CONT' -d 'The signal'
complete -c bulkhead -n "__fish_seen_subcommand_from kill" -s a -l all -d 'To all processes'
complete -c bulkhead -n "__fish_seen_subcommand_from attach" -s n -l no-stdin -d 'Only watch'
complete -c bulkhead -n "__fish_seen_subcommand_from logs stop kill inspect attach" -a '(bulkhead __complete units 2>/dev/null)' -d Run

set -l verbs cat show verify escape
set -l unit "__fish_seen_subcommand_from unit"
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a cat -d 'Show a file and its drop-ins'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a show -d 'Show what holds when all are read'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a verify -d 'Say what is wrong'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a escape -d 'Write texts as parts of names'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from cat show verify" -l unit-path -x -a '(__fish_complete_directories)' -d 'Look for units in these folders'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from cat show verify" -l user -d 'Units of an ordinary user'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from cat show verify" -l system -d 'Units of the system'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from cat show verify" -l lenient -d 'Pass over what cannot be read'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from cat show verify" -a '(bulkhead __complete unit-files 2>/dev/null)' -d Unit
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from show" -s p -l property -x -a '(bulkhead __complete directives 2>/dev/null | string replace -r "=.*" "")' -d 'Only this directive'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from show" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Errors only'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from escape" -s u -l unescape -d 'Read them again'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from escape" -l path -d 'They are paths'
