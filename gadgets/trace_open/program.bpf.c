// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Files opened, seen at the end of the system call only: the arguments still stand in the task's saved registers, and
 * the kernel has just read the path, so its page is there. A record is as long as its path.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define GADGET_NO_BUF_RESERVE
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filesystem.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/tail.h>
#include <gadget/types.h>

#define PATH_MAX 4096
#define O_CREAT_WRONLY_TRUNC 01101

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;

	gadget_errno error_raw;
	__u32 fd;
	gadget_file_flags flags_raw;
	gadget_file_mode mode_raw;
	gadget_tail fname_raw;
	gadget_tail fpath_raw;
};

/* What the record is put together in. The tail has room for both paths at their longest. */
struct record {
	struct event event;
	char tail[2 * PATH_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

const volatile bool targ_failed = false;
const volatile bool paths = false;

GADGET_PARAM(targ_failed);
GADGET_PARAM(paths);

GADGET_TRACER_MAP(events, 1024 * 1024);
GADGET_TRACER(open, events, event);

/* Appends the path the file was found under behind `used` bytes of tail; the new number of bytes. */
static __always_inline __u32 append_full_path(struct record *record, __u32 used, int fd)
{
	struct file *file = get_struct_file_for_fd(fd);
	__u32 length;
	char *text;

	if (!file)
		return used;
	text = gadget_path_text(&file->f_path, &length);
	if (!text || used >= PATH_MAX || length >= PATH_MAX)
		return used;
	bpf_probe_read_kernel(&record->tail[used], length, text);
	record->event.fpath_raw = GADGET_TAIL(sizeof(struct event) + used, length);
	return used + length;
}

static __always_inline int emit(struct syscall_trace_exit *ctx, const char *path, __u32 flags, __u32 mode)
{
	long ret = ctx->ret;
	struct record *record;
	__u32 slot = 0;
	__u32 used = 0;
	long length;

	record = bpf_map_lookup_elem(&records, &slot);
	if (!record)
		return 0;
	record->event.timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&record->event.proc);
	record->event.error_raw = ret < 0 ? -ret : 0;
	record->event.fd = ret < 0 ? 0 : ret;
	record->event.flags_raw = flags;
	record->event.mode_raw = mode;
	record->event.fpath_raw = 0;

	length = bpf_probe_read_user_str(record->tail, PATH_MAX, path);
	if (length > 0 && length <= PATH_MAX)
		used = length - 1;
	record->event.fname_raw = GADGET_TAIL(sizeof(struct event), used);
	if (paths && ret >= 0)
		used = append_full_path(record, used, ret);
	if (used <= sizeof(record->tail))
		gadget_output_buf(ctx, &events, record, sizeof(struct event) + used);
	return 0;
}

static __always_inline bool unwanted(struct syscall_trace_exit *ctx)
{
	return (targ_failed && ctx->ret >= 0) || gadget_should_discard_data_current();
}

#ifndef __TARGET_ARCH_arm64
SEC("tracepoint/syscalls/sys_exit_open")
int ig_open_x(struct syscall_trace_exit *ctx)
{
	__u64 args[5];

	if (unwanted(ctx))
		return 0;
	gadget_syscall_args(args);
	return emit(ctx, (const char *)args[0], args[1], args[2]);
}

SEC("tracepoint/syscalls/sys_exit_creat")
int ig_creat_x(struct syscall_trace_exit *ctx)
{
	__u64 args[5];

	if (unwanted(ctx))
		return 0;
	gadget_syscall_args(args);
	return emit(ctx, (const char *)args[0], O_CREAT_WRONLY_TRUNC, args[1]);
}
#endif

SEC("tracepoint/syscalls/sys_exit_openat")
int ig_openat_x(struct syscall_trace_exit *ctx)
{
	__u64 args[5];

	if (unwanted(ctx))
		return 0;
	gadget_syscall_args(args);
	return emit(ctx, (const char *)args[1], args[2], args[3]);
}

SEC("tracepoint/syscalls/sys_exit_openat2")
int ig_openat2_x(struct syscall_trace_exit *ctx)
{
	struct open_how how = {};
	__u64 args[5];

	if (unwanted(ctx))
		return 0;
	gadget_syscall_args(args);
	bpf_probe_read_user(&how, sizeof(how), (const void *)args[2]);
	return emit(ctx, (const char *)args[1], how.flags, how.mode);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
