# SPDX-License-Identifier: LGPL-2.1-or-later
# What runs on a host, by /bin/sh, behind assignments of VERB, FOLDER, ME, CLAIM, OLD, PROVISION, DESTROY, INIT, LOGICAL_ID, LIMIT, WAIT.
# Nothing happens before the last line: a connection that breaks before it leaves the host as it was.
#   claim      "bulkhead-claim 1 NAME STAGE", and on the second line the record as JSON: who holds this host. Replaced atomically
#   work       locked while a command runs for the claim
#   change     locked while the claim is changed
#   provision, destroy, init    what the claim's commands are, while they are needed

say() { printf 'bulkhead-answer: %s\n' "$1"; }

words() { tail -c 1000 "$1" 2>/dev/null; }

# Reads the first line of the claim. False: there is none, or it is not one that we know.
header() {
    who='' stage=''
    [ -f claim ] || return 1
    IFS=' ' read -r magic version who stage rest <claim || return 1
    [ "$magic $version" = 'bulkhead-claim 1' ] && [ -z "$rest" ]
}

lock_work() {
    exec 9>work || return 1
    tries=0
    until flock -n 9; do
        [ "$tries" -lt "$WAIT" ] || return 1
        tries=$((tries + 1))
        sleep 1
    done
}

put_claim() { sync claim.new 2>/dev/null; mv claim.new claim; }

set_stage() {
    (
        flock 8 || exit 1
        header || exit 1
        { printf 'bulkhead-claim 1 %s %s\n' "$who" "$1" && tail -n +2 claim; } >claim.new && put_claim
    ) 8>change
}

run() {
    [ -s "$1" ] || return 0
    BULKHEAD_INSTANCE=$ME BULKHEAD_INIT=$PWD/init BULKHEAD_LOGICAL_ID=$LOGICAL_ID \
        timeout -k 10 "$LIMIT" sh "./$1" </dev/null >"$1.log" 2>&1 9>&-
}

clear_away() {
    run destroy || return
    rm -f provision destroy init provision.log destroy.log claim.new && rm -f claim
}

begin() {
    printf '%s' "$PROVISION" >provision && printf '%s' "$DESTROY" >destroy && printf '%s' "$INIT" >init &&
        printf 'bulkhead-claim 1 %s making\n%s\n' "$ME" "$CLAIM" >claim.new && put_claim
}

finish() {
    run provision
    code=$?
    if [ "$code" = 0 ]; then
        if set_stage ready && rm -f init; then say ready; else say 'error cannot write the claim'; fi
        return
    fi
    set_stage failed
    say "failed $code"
    words provision.log
    clear_away
}

make() {
    if header; then
        [ "$who" = "$ME" ] || { say taken; return; }
    elif [ -e claim ]; then
        say taken
        return
    fi
    lock_work || { say busy; return; }
    if header; then
        [ "$who" = "$ME" ] || { say taken; return; }
        case $stage in
        ready) say ready; return ;;
        making) ;;
        *) clear_away || { code=$?; say "stuck $code"; words destroy.log; return; } ;;
        esac
    elif [ -e claim ]; then
        say taken
        return
    fi
    if [ ! -e claim ]; then
        [ -n "$CLAIM" ] || { say free; return; }
        begin || { say 'error cannot write the claim'; return; }
    fi
    finish
}

drop() {
    header && [ "$who" = "$ME" ] || { say free; return; }
    lock_work || { say busy; return; }
    header && [ "$who" = "$ME" ] || { say free; return; }
    [ "$stage" = failed ] || set_stage removing
    clear_away
    code=$?
    if [ "$code" = 0 ]; then say free; else say "stuck $code"; words destroy.log; fi
}

label() {
    (
        flock 8 || { say 'error cannot lock the claim'; exit; }
        header && [ "$who" = "$ME" ] || { say free; exit; }
        [ "$(tail -n +2 claim)" = "$OLD" ] || { say changed; exit; }
        if printf 'bulkhead-claim 1 %s %s\n%s\n' "$who" "$stage" "$CLAIM" >claim.new && put_claim; then
            say labelled
        else
            say 'error cannot write the claim'
        fi
    ) 8>change
}

look() {
    [ -e claim ] || { say free; return; }
    header || { say taken; return; }
    {
        IFS=' ' read -r magic version who stage rest
        say "claim $who $stage"
        cat
    } <claim
}

main() {
    umask 077
    if [ "$VERB" = look ]; then
        cd -- "$FOLDER" 2>/dev/null || { say free; return; }
    else
        mkdir -p -- "$FOLDER" && cd -- "$FOLDER" || { say 'error cannot make the folder for claims'; return; }
    fi
    for need in flock timeout tail; do
        command -v "$need" >/dev/null || { say "error there is no $need"; return; }
    done
    "$VERB"
}
main; exit 0
