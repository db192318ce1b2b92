#!/bin/busybox sh
# What tests/kernels.rs runs in the guest: collect, make something happen for each gadget, stop, print the log and the events of interest.
echo "KERNEL $(uname -r)"
groups=/sys/fs/cgroup
if [ -e /cgroup-v1 ]; then
    umount $groups
    mount -t tmpfs t $groups
    groups=$groups/pids
    mkdir $groups
    mount -t cgroup -o pids p $groups
fi
/gadgetry collect -q -c /collector.yaml >/tmp/log 2>&1 &
collector=$!

# until_seen SECONDS FILE TEXT...: waits until the file has every text.
until_seen() {
    end=$(($(cut -d. -f1 /proc/uptime) + $1)); file=$2; shift 2
    for text in "$@"; do
        until grep -q "$text" "$file" 2>/dev/null; do
            kill -0 $collector 2>/dev/null || return 1
            [ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || { echo "not seen in $file: $text"; return 1; }
            usleep 100000
        done
    done
}

if until_seen 40 /tmp/log 'gadgetry is collecting'; then
    cat /marker/opened >/dev/null
    cat /marker/missing 2>/dev/null
    /bin/echo marker one >/dev/null
    /marker/not-there two 2>/dev/null
    # A container as an engine makes one, and as one that is over before anybody has looked.
    container=$groups/docker/$(printf %064d 7)
    mkdir -p "$container"
    sh -c "echo \$\$ >$container/cgroup.procs; exec unshare -m -f /bin/echo marker container" >/dev/null
    dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null
    until_seen 20 /tmp/events.jsonl marker/opened marker/missing 'echo marker one' 'echo marker container' marker/not-there '"gadget":"processes"' '"gadget":"blockio"'
    kill -INT $collector
fi
wait $collector
status=$?
echo LOG; cat /tmp/log
echo EVENTS; grep -e marker -e '"gadget":"processes".*"pid":1,' -e '"gadget":"blockio"' -e '"gadget":"selected"' /tmp/events.jsonl
exit $status
