# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for bulkhead

set -l commands run explain score ps logs stop kill inspect attach unit boot-units init

complete -c bulkhead -f
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a run -d 'Run a command in a sandbox'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a explain -d 'Show in words what run would do'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a score -d 'Show how exposed the service of a unit file would be'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a ps -d 'List runs'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a logs -d 'Show the output of a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a stop -d 'Stop runs and forget them'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a kill -d 'Send a signal to a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a inspect -d 'Show all that is known of a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a attach -d 'Connect the terminal to a run'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a unit -d 'Start, stop, show and verify systemd\'s units'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a boot-units -d 'Start a folder of units in order'
complete -c bulkhead -n "not __fish_seen_subcommand_from $commands" -a init -d 'The same, as process 1'

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

set -l verbs start stop restart reload run status cat show verify escape calendar
set -l unit "__fish_seen_subcommand_from unit"
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a start -d 'Start services'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a stop -d 'Stop services'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a restart -d 'Stop services and start them again'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a reload -d 'Have services read their configuration again'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a run -d 'Start a service and show its output'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a status -d 'Say how services are'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a cat -d 'Show a file and its drop-ins'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a show -d 'Show what holds when all are read'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a verify -d 'Say what is wrong'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a escape -d 'Write texts as parts of names'
complete -c bulkhead -n "$unit; and not __fish_seen_subcommand_from $verbs" -a calendar -d 'Show when calendar events are'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run cat show verify" -l unit-path -x -a '(__fish_complete_directories)' -d 'Look for units in these folders'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run cat show verify" -l user -d 'Units of an ordinary user'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run cat show verify" -l system -d 'Units of the system'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run cat show verify" -l lenient -d 'Pass over what cannot be read'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run cat show verify" -a '(bulkhead __complete unit-files 2>/dev/null)' -d Unit
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from show" -s p -l property -x -a '(bulkhead __complete directives 2>/dev/null | string replace -r "=.*" "")' -d 'Only this directive'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from show" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from stop reload status" -a '(bulkhead __complete units 2>/dev/null)' -d Unit
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from status" -s j -l json -d 'Print JSON'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run" -l no-block -d 'Do not wait'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start run" -l seal -x -a 'auto landlock userns off' -d 'How the sandbox is kept shut'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from start stop restart run verify" -s q -l quiet -d 'Errors only'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from escape" -s u -l unescape -d 'Read them again'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from escape" -l path -d 'They are paths'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from calendar" -l iterations -x -d 'How many times'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from calendar" -l base-time -x -d 'The first is after it'
complete -c bulkhead -n "$unit; and __fish_seen_subcommand_from calendar" -s j -l json -d 'Print JSON'

set -l boot "__fish_seen_subcommand_from boot-units init"
complete -c bulkhead -n "$boot" -x -a '(__fish_complete_directories)' -d Folder
complete -c bulkhead -n "$boot" -l lenient -d 'Pass over what cannot be read'
complete -c bulkhead -n "$boot" -s q -l quiet -d 'Errors only'
complete -c bulkhead -n "$boot" -l json -d 'Tell events as JSON'
complete -c bulkhead -n "__fish_seen_subcommand_from boot-units" -l detach -d 'End once all are up'
complete -c bulkhead -n "__fish_seen_subcommand_from boot-units" -l user -d 'Units of an ordinary user'
complete -c bulkhead -n "__fish_seen_subcommand_from boot-units" -l system -d 'Units of the system'
complete -c bulkhead -n "__fish_seen_subcommand_from init" -l at-end -x -a 'exit poweroff reboot halt' -d 'What then'
