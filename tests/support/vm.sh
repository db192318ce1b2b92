#!/usr/bin/env bash
# vm.sh VMLINUZ FILES COMMAND [ARG...] - boots a kernel with nothing but busybox and FILES (copied to / of an initramfs) and one
# empty NVMe disk, runs COMMAND there, prints its output, ends with its status (125: the guest reported none).
# What is in FILES must be static. The system is as bare as can be: no /etc, no tracefs, debugfs or securityfs mounted, cgroup v2 only.
set -euo pipefail
kernel=$1 files=$2; shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
cp -a "$files/." "$root/"
printf '%q ' "$@" >"$root/command"
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin HOME=/
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; mount -t tmpfs t /tmp
mount -t cgroup2 c /sys/fs/cgroup
ip link set lo up
stty -F /dev/ttyS0 -onlcr 2>/dev/null
echo VM_BEGIN
sh -c "$(cat /command)" </dev/null
echo "VM_STATUS=$?"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"

# Not KVM: ordinary guest kernels hang under that of a microVM. One thread is enough to start the next kernel meanwhile.
timeout "${VM_TIMEOUT:-90}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
    -nodefaults -display none -no-reboot -serial "file:$work/console" \
    -drive if=none,id=disk,driver=null-co,size=64M,read-zeroes=on -device nvme,drive=disk,serial=1 \
    -kernel "$kernel" -initrd "$work/initrd" \
    -append "console=ttyS0 panic=-1 quiet loglevel=1 mitigations=off ${VM_APPEND:-}" </dev/null >&2 || true

tr -d '\r' <"$work/console" | sed -n '/^VM_BEGIN/,/^VM_STATUS=/{/^VM_/!p}'
status=$(tr -d '\r' <"$work/console" | sed -n 's/^VM_STATUS=//p' | tail -1)
[ -n "$status" ] || { echo "the guest reported no status; the end of its console:" >&2; tail -20 "$work/console" >&2; exit 125; }
exit "$status"
