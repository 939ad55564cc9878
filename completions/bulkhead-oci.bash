# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for bulkhead-oci

_bulkhead_oci() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command="" options="" i root=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root) root=(--root "${COMP_WORDS[i + 1]}"); i=$((i + 1)) ;;
        --log | --log-format | --log-level | --cgroup-manager | --rootless) i=$((i + 1)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $prev in
    --format) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$cur"); return ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur"); return ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W "error warning debug" -- "$cur"); return ;;
    --cgroup-manager) mapfile -t COMPREPLY < <(compgen -W "cgroupfs systemd disabled" -- "$cur"); return ;;
    --bundle | --root) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --config | --console-socket | --image-path | --log | --parent-path | --pid-file | --pidfd-socket | --process | --resources | --work-path) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    case $command in
    "") options="create start run state kill delete exec list ps pause resume update events mounts checkpoint restore features spec --cgroup-manager --debug --log --log-format --log-level --root --rootless --systemd-cgroup --help --version" ;;
    create) options="-b --bundle --console-socket -f --config --no-new-keyring --no-pivot --pid-file --pidfd-socket --preserve-fds --help" ;;
    run) options="-b --bundle --console-socket -f --config --no-new-keyring --no-pivot --pid-file --pidfd-socket --preserve-fds -d --detach --keep --no-subreaper --help" ;;
    kill) options="-a --all --regex --help" ;;
    delete) options="-f --force --regex --help" ;;
    exec) options="--console-socket --pid-file --pidfd-socket -p --process --apparmor --cgroup --cwd -c --cap -e --env -g --additional-gids --no-new-privs --process-label -t --tty -u --user -d --detach --ignore-paused --no-new-keyring --preserve-fds --help" ;;
    list) options="-f --format -q --quiet --help" ;;
    ps) options="-f --format --help" ;;
    update) options="--blkio-weight --cpu-burst --cpu-idle --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-share -C --cpuset-cpus --kernel-memory --kernel-memory-tcp --l3-cache-schema --mem-bw-schema --memory --memory-reservation --memory-swap -M --cpuset-mems --pids-limit -r --resources --help" ;;
    events) options="--interval --stats --help" ;;
    checkpoint) options="--auto-dedup --empty-ns --ext-unix-sk --file-locks --image-path --lazy-pages --link-remap --manage-cgroups-mode --shell-job --status-fd --tcp-established --work-path --leave-running --page-server --parent-path --pre-dump --tcp-skip-in-flight --help" ;;
    restore) options="--auto-dedup --console-socket --empty-ns --ext-unix-sk --file-locks --image-path --lazy-pages --link-remap --manage-cgroups-mode --shell-job --status-fd --tcp-established --work-path -b --bundle -d --detach -f --config --lsm-mount-context --lsm-profile --no-subreaper --pid-file --help" ;;
    spec) options="-b --bundle -f --config --rootless --help" ;;
    mounts) options="add remove --help" ;;
    *) options="--help" ;;
    esac
    case $command in
    start | state | kill | delete | exec | ps | pause | resume | update | events | checkpoint)
        [[ $cur == -* ]] || options=$("${COMP_WORDS[0]}" "${root[@]}" list --quiet 2>/dev/null) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}
complete -F _bulkhead_oci bulkhead-oci
