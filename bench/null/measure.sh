#!/usr/bin/env bash
# CPU time per command of a server under redis-benchmark: the server on core 0, the load on core 1.
# Usage: measure.sh PORT ROUNDS 'server command' ['server command' ...]
# Each command is run once per round, round after round, and its least figure is printed: on a
# shared machine the least is the one least disturbed.
set -eu
port=$1 rounds=$2
shift 2
hz=$(getconf CLK_TCK)

cpu_ticks() { # pid
    local fields
    read -r -a fields < "/proc/$1/stat"
    echo $((fields[13] + fields[14]))
}

measure() { # pid pipeline commands -> microseconds per command
    local before after
    before=$(cpu_ticks "$1")
    taskset -c 1 redis-benchmark -p "$port" -P "$2" -c 50 -n "$3" -r 1000000 -t get -q > /dev/null
    after=$(cpu_ticks "$1")
    awk -v t=$((after - before)) -v hz="$hz" -v n="$3" 'BEGIN { printf "%.3f\n", t / hz * 1e6 / n }'
}

declare -A least
for ((round = 0; round < rounds; round++)); do
    for server in "$@"; do
        taskset -c 0 $server > /dev/null &
        pid=$!
        sleep 0.5
        for shape in "1 200000" "16 2000000" "64 5000000"; do
            read -r pipeline commands <<< "$shape"
            figure=$(measure "$pid" "$pipeline" "$commands")
            key="$server|$pipeline"
            if [[ -z ${least[$key]:-} ]] || awk "BEGIN { exit !($figure < ${least[$key]}) }"; then
                least[$key]=$figure
            fi
        done
        kill "$pid"
        wait "$pid" 2> /dev/null || true
        sleep 0.5 # The kernel closes the sockets of a killed ring a moment later.
    done
done
for server in "$@"; do
    printf '%-60s P1 %s  P16 %s  P64 %s us\n' "$server" \
        "${least["$server|1"]}" "${least["$server|16"]}" "${least["$server|64"]}"
done
