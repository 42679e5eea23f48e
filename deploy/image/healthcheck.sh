#!/bin/sh
# Asks the server whether it lives. One that wants a password or is still loading does:
# /healthz/ready on the same port tells whether it is loaded.
port=${HEALTHCHECK_PORT:-6379}
host=${HEALTHCHECK_HOST:-127.0.0.1}

answer=$(timeout 4 redis-cli -h "$host" -p "$port" ping 2>&1)
case $answer in
    PONG | NOAUTH* | LOADING* | BUSY* | MISCONF*) exit 0 ;;
    *)
        echo "no answer on port $port: $answer" >&2
        exit 1
        ;;
esac
