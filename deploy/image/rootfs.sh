#!/bin/sh
# Puts the files of the image together: the server, redis-cli, a shell, and the libraries they need.
#
#   rootfs.sh BINARY TARGET
#
# Needs Debian's redis-tools, busybox-static, binutils and ca-certificates.
set -eu

binary=$1 target=$2
here=$(dirname "$0")

main() {
    mkdir -p "$target/bin" "$target/etc" "$target/usr/local/bin" "$target/usr/bin" \
        "$target/data" "$target/tmp"
    # Names of functions stay, for traces of panics.
    strip --strip-debug -o "$target/usr/local/bin/darner" "$binary"
    cp "$here/healthcheck.sh" "$target/usr/local/bin/healthcheck.sh"
    chmod 755 "$target/usr/local/bin/darner" "$target/usr/local/bin/healthcheck.sh"
    cp "$(command -v redis-cli)" "$target/usr/bin/redis-cli"
    cp "$(command -v busybox)" "$target/bin/busybox"
    for tool in sh timeout cat ls ps kill df du env id sleep tail; do
        ln -sf busybox "$target/bin/$tool"
    done
    copy_libraries "$target/usr/local/bin/darner"
    copy_libraries "$target/usr/bin/redis-cli"
    printf 'root:x:0:0:root:/:/bin/sh\ndarner:x:999:999:darner:/data:/bin/sh\n' \
        >"$target/etc/passwd"
    printf 'root:x:0:\ndarner:x:999:\n' >"$target/etc/group"
    # Names are looked up for `bind`.
    printf 'hosts: files dns\n' >"$target/etc/nsswitch.conf"
    # Who vouches for servers that keep buckets.
    mkdir -p "$target/etc/ssl/certs"
    cp -L /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"
    # Whoever runs the image may write here where no volume is mounted.
    chmod 1777 "$target/data" "$target/tmp"
}

# Libraries by the path that the loader knows them by.
copy_libraries() {
    ldd "$1" | grep -o '/[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$target$(dirname "$library")"
        cp -L "$library" "$target$library"
    done
}

main
