# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for bulkhead

_bulkhead() {
    local cur prev words cword command i
    _init_completion -n = 2>/dev/null || {
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    }
    command=${words[1]-}
    if [ "$cword" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "run explain learn score ps logs stop kill inspect attach unit apply plan status events group instance flavor plugin template boot-units init --help --version" -- "$cur")
        return
    fi
    local options=""
    case $command in
    run | explain)
        # What follows the command's own words is another program's.
        for ((i = 2; i < cword; i++)); do
            case ${words[i]} in
            --)
                i=$((i + 1))
                break ;;
            -p | -u | -E | --property | --like | --profile | --unit | --description | --uid | --gid | --setenv | --working-directory | \
                --expand-environment | --seal) i=$((i + 1)) ;;
            -*) ;;
            *) break ;;
            esac
        done
        if [ "$i" -lt "$cword" ] || [ "${words[i - 1]}" = -- ]; then
            if declare -F _command_offset >/dev/null; then _command_offset "$i"; else mapfile -t COMPREPLY < <(compgen -c -- "$cur"); fi
            return
        fi
        case $prev in
        -p | --property)
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete directives 2>/dev/null | cut -f1)" -- "$cur")
            [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
            return ;;
        --uid) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
        --gid) mapfile -t COMPREPLY < <(compgen -g -- "$cur"); return ;;
        -E | --setenv) mapfile -t COMPREPLY < <(compgen -v -- "$cur"); return ;;
        --working-directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --like) mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete unit-files 2>/dev/null)" -- "$cur"); return ;;
        --profile) mapfile -t COMPREPLY < <(compgen -W "strict default trusted" -- "$cur"); return ;;
        --seal) mapfile -t COMPREPLY < <(compgen -W "auto landlock userns off" -- "$cur"); return ;;
        --expand-environment) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
        -u | --unit | --description) return ;;
        esac
        options="-p --property --like --profile -t --pty -P --pipe -S --shell --wait -G --collect -q --quiet -u --unit --description --uid
            --gid -E --setenv -d --same-dir --working-directory --expand-environment --user --system --lenient --report-denials --seal --help"
        [ "$command" = run ] || options="$options --json"
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$cur")
            return
        fi ;;
    learn)
        # What follows the command's own words is another program's.
        for ((i = 2; i < cword; i++)); do
            case ${words[i]} in
            --)
                i=$((i + 1))
                break ;;
            -p | --property | --unit | --runs | --for | --exercise | --merge | --output) i=$((i + 1)) ;;
            -*) ;;
            *) break ;;
            esac
        done
        if [ "$i" -lt "$cword" ] || [ "${words[i - 1]}" = -- ]; then
            if declare -F _command_offset >/dev/null; then _command_offset "$i"; else mapfile -t COMPREPLY < <(compgen -c -- "$cur"); fi
            return
        fi
        case $prev in
        -p | --property)
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete directives 2>/dev/null | cut -f1)" -- "$cur")
            [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
            return ;;
        --unit) mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete unit-files 2>/dev/null)" -- "$cur"); return ;;
        --merge | --output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --runs | --for | --exercise) return ;;
        esac
        options="--unit -p --property --runs --for --exercise --merge --verify= --output -j --json -q --quiet --user --system --lenient --help"
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$cur")
            return
        fi ;;
    score)
        options="-j --json --threshold --lenient -p --property --profile --measured --suggest --timeout --output --seal --user --system --help"
        case $prev in
        --threshold | --timeout) return ;;
        -p | --property)
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete directives 2>/dev/null | cut -f1)" -- "$cur")
            [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
            return ;;
        --profile) mapfile -t COMPREPLY < <(compgen -W "strict default trusted" -- "$cur"); return ;;
        --seal) mapfile -t COMPREPLY < <(compgen -W "auto landlock userns off" -- "$cur"); return ;;
        --output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        esac
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -X '!*.service' -- "$cur"; compgen -d -S / -- "$cur")
            [[ ${COMPREPLY[0]-} != */ ]] || compopt -o nospace
            return
        fi ;;
    ps) options="-a --all -j --json --help" ;;
    logs) options="-f --follow -n --tail -t --timestamps --help" ;;
    stop) options="-t --time --help" ;;
    kill)
        options="-s --signal -a --all --help"
        if [[ $prev == -s || $prev == --signal ]]; then
            mapfile -t COMPREPLY < <(compgen -A signal -- "$cur")
            return
        fi ;;
    inspect) options="--help" ;;
    attach) options="-n --no-stdin --help" ;;
    apply | plan)
        case $prev in
        --plan | --out) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --var | --reason | --timeout) return ;;
        esac
        options="--var -j --json --help"
        if [ "$command" = plan ]; then options="$options --out"
        else options="$options --plan -y --yes --reason --wait --no-wait --timeout -q --quiet"; fi
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        fi ;;
    template)
        [ "$prev" != --var ] || return
        options="--var --help"
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        fi ;;
    status | events)
        options="-j --json --help"
        [ "$command" = status ] || options="$options -f --follow --group -n --lines --audit"
        if [[ $prev == --group || ($command == status && $cur != -*) ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete groups 2>/dev/null)" -- "$cur")
            return
        fi ;;
    group)
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "commit describe inspect ls scale pause resume undo history free destroy destroy-instances --help" -- "$cur")
            return
        fi
        case $prev in --var | --reason | --plugin) return ;; esac
        options="--plugin --help"
        case ${words[2]} in
        commit) options="$options --pretend --var -y --yes --reason -j --json" ;;
        describe | ls) options="$options -q --quiet -j --json" ;;
        scale) options="$options --reason" ;;
        undo) options="$options --reason -j --json" ;;
        history) options="$options -j --json" ;;
        pause | resume | free | destroy | destroy-instances) options="$options -y --yes --reason -q --quiet" ;;
        esac
        if [[ $cur != -* && ${words[2]} == commit ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        elif [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete groups 2>/dev/null)" -- "$cur")
            return
        fi ;;
    instance | flavor)
        local verbs="validate provision describe destroy label"
        [ "$command" = instance ] || verbs="validate prepare healthy drain"
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$verbs --help" -- "$cur")
            return
        elif [[ $cword -eq 3 && $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete plugins 2>/dev/null)" -- "$cur")
            return
        fi
        case $command-${words[2]} in
        instance-provision) options="--tag --init --logical-id --var -j --json --help" ;;
        instance-describe) options="--tag --properties -q --quiet -j --json --help" ;;
        instance-destroy) options="--reason -q --quiet --help" ;;
        instance-label) options="--tag --help" ;;
        instance-validate) options="--var -j --json --help" ;;
        flavor-validate) options="--size --logical-id --var -j --json --help" ;;
        flavor-prepare) options="--size --logical-id --group --sequence --tag --var --help" ;;
        flavor-healthy | flavor-drain) options="--tag --logical-id -q --quiet --var -j --json --help" ;;
        esac
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        fi ;;
    plugin)
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "ls start stop --help" -- "$cur")
            return
        fi
        case ${words[2]} in
        ls) options="-j --json --help" ;;
        stop) options="--all -t --time --help" ;;
        start)
            case $prev in
            -p | --property)
                mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete directives 2>/dev/null | cut -f1)" -- "$cur")
                return ;;
            -E | --setenv) mapfile -t COMPREPLY < <(compgen -v -- "$cur"); return ;;
            esac
            options="-d --detach --dir -p --property -E --setenv --no-sandbox --help"
            if [[ $cur != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "group file simulator service container ec2 azure vagrant libvirt ssh vanilla combo zookeeper flavor-etcd" -- "$cur")
                return
            fi ;;
        esac
        if [[ ${words[2]} == stop && $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete plugins 2>/dev/null)" -- "$cur")
            return
        fi ;;
    boot-units | init)
        case $prev in --at-end) mapfile -t COMPREPLY < <(compgen -W "exit poweroff reboot halt" -- "$cur"); return ;;
        --profile) mapfile -t COMPREPLY < <(compgen -W "strict default trusted" -- "$cur"); return ;;
        esac
        options="--lenient -q --quiet --json --profile --report-denials --help"
        if [ "$command" = init ]; then options="$options --at-end"; else options="$options --detach --user --system"; fi
        if [[ $cur != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
        fi ;;
    unit)
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "start stop restart reload reset-failed run status cat show verify escape calendar --help" -- "$cur")
            return
        fi
        case $prev in
        -p | --property)
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete directives 2>/dev/null | cut -d= -f1)" -- "$cur")
            return ;;
        --unit-path) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --profile) mapfile -t COMPREPLY < <(compgen -W "strict default trusted" -- "$cur"); return ;;
        --seal) mapfile -t COMPREPLY < <(compgen -W "auto landlock userns off" -- "$cur"); return ;;
        esac
        options="--unit-path --user --system --lenient --help"
        case ${words[2]} in
        start | run) options="$options -q --quiet --no-block --seal --profile --report-denials" ;;
        restart) options="$options -q --quiet --no-block --report-denials" ;;
        stop) options="$options -q --quiet --no-block" ;;
        reload | reset-failed) options="--unit-path --user --system --help" ;;
        status) options="--unit-path --user --system -j --json --help" ;;
        show) options="$options -p --property -j --json" ;;
        verify) options="$options -q --quiet" ;;
        escape) options="-u --unescape --path --help" ;;
        calendar) options="--iterations --base-time -j --json --help" ;;
        esac
        if [[ $cur == */* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        elif [[ $cur != -* && ${words[2]} == @(stop|reload|reset-failed|status) ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete units 2>/dev/null)" -- "$cur")
            return
        elif [[ $cur != -* && ${words[2]} != @(escape|calendar) ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete unit-files 2>/dev/null)" -- "$cur")
            return
        fi ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif [[ $command == @(logs|stop|kill|inspect|attach) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("${words[0]}" __complete units 2>/dev/null)" -- "$cur")
    fi
}
complete -F _bulkhead bulkhead
