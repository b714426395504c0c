#!/bin/busybox sh
# The guest's first process: file systems, modules, the tests that /tests.sh names, power off. Results go to the second
# serial port, one line each: libtest's JSON, and lines of this script's own that begin with @.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
stty -F /dev/ttyS1 raw -echo
mkdir -p /run/netns /run/report
export SENKO_REPORT=/run/report
ip link set lo up

while read -r module; do
    insmod "/modules/$module.ko" || echo "@module $module" >/dev/ttyS1
done </modules/order
echo "@up $(uname -r)" >/dev/ttyS1

# run NAME DIRECTORY BINARY SECONDS TEST...
run() {
    name=$1 directory=$2 binary=$3 seconds=$4
    shift 4
    echo "@run $name" >/dev/ttyS1
    cd "$directory" || echo "@directory $directory" >/dev/ttyS1
    RUSTC_BOOTSTRAP=1 RUST_BACKTRACE=1 timeout -s KILL "$seconds" "$binary" --exact --test-threads 1 \
        -Z unstable-options --format json --report-time "$@" >/dev/ttyS1 2>/tmp/stderr
    code=$?
    if [ "$code" != 0 ]; then
        tail -n 40 /tmp/stderr | sed 's/^/@stderr /' >/dev/ttyS1
    fi
    echo "@ended $name $code" >/dev/ttyS1
}

. /tests.sh

for file in /run/report/*; do
    [ -e "$file" ] || continue
    echo "@file $(basename "$file")" >/dev/ttyS1
    sed 's/^/@| /' "$file" >/dev/ttyS1
done
echo "@done" >/dev/ttyS1
sync
# The serial port's last bytes are on their way.
sleep 0.2
poweroff -f
