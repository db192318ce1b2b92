// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Programs executed. A success is seen in sched_process_exec, where the new address space already holds the argument
 * vector in one piece; a failure at the end of execve, where the old address space still holds what was asked for.
 * Nothing runs at the beginning of execve and no map carries anything from one program to another.
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

/* Of each string at most this much; powers of two, so that a mask bounds an index into the tail. */
#define ARGS_MAX 8192
#define PATH_MAX 2048
#define TAIL_MAX 16384
#define TAIL_MASK (TAIL_MAX - 1)
/* Arguments of a failed execve: each takes a pointer and a string to fetch. */
#define FAILED_ARGS_MAX 20
#define FAILED_ARG_MAX 256

#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define NO_LOGIN ((__u32)-1)
#define DEV_MINOR_BITS 20

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;

	gadget_uid loginuid;
	__u32 sessionid;
	gadget_errno error_raw;
	int args_count;
	int tty;
	bool from_rootfs;
	bool file_from_rootfs;
	bool upper_layer;
	bool fupper_layer;
	bool pupper_layer;
	unsigned int args_size;
	unsigned int dev_major;
	unsigned int dev_minor;
	unsigned long inode;
	gadget_tail cwd_raw;
	gadget_tail file_raw;
	gadget_tail exepath_raw;
	gadget_tail parent_exepath_raw;
	gadget_tail_args args_raw;
};

/* What the record is put together in. Behind the tail there is room for one string at its longest. */
struct record {
	struct event event;
	char tail[TAIL_MAX + ARGS_MAX];
	__u32 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

const volatile bool ignore_failed = true;
const volatile bool paths = false;

GADGET_PARAM(ignore_failed);
GADGET_PARAM(paths);

GADGET_TRACER_MAP(events, 1024 * 1024);
GADGET_TRACER(exec, events, event);

/*
 * `used` lives in the record, in memory the verifier knows nothing about, and is bounded anew where it is needed: so
 * it explores each step once, not once for every combination of lengths before it.
 */
static __always_inline __u32 tail_used(struct record *record)
{
	return *(volatile __u32 *)&record->used & TAIL_MASK;
}

static __always_inline gadget_tail tail_take(struct record *record, __u32 length)
{
	__u32 used = tail_used(record);

	*(volatile __u32 *)&record->used = used + length;
	return GADGET_TAIL(sizeof(struct event) + used, length);
}

static __always_inline gadget_tail append_path(struct record *record, const struct path *path)
{
	__u32 length = 0;
	char *text = gadget_path_text(path, &length);

	if (!text)
		return 0;
	if (length > PATH_MAX)
		length = PATH_MAX;
	bpf_probe_read_kernel(&record->tail[tail_used(record)], length, text);
	return tail_take(record, length);
}

static __always_inline gadget_tail append_kernel_string(struct record *record, const char *text)
{
	long length = bpf_probe_read_kernel_str(&record->tail[tail_used(record)], PATH_MAX, text);

	return length > 0 ? tail_take(record, length - 1) : 0;
}

/* Only the address of an overlay inode's upper dentry is looked at: it lies right behind the inode proper. */
static __always_inline bool has_upper_layer(struct inode *inode)
{
	void *upper = NULL;

	if (!inode || BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return false;
	bpf_probe_read_kernel(&upper, sizeof(upper), (char *)inode + bpf_core_type_size(struct inode));
	return upper != NULL;
}

static __always_inline bool is_from_rootfs(struct task_struct *task, struct file *file)
{
	return BPF_CORE_READ(file, f_path.mnt) == BPF_CORE_READ(task, fs, root.mnt);
}

static __always_inline struct file *executable_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, mm, exe_file);
}

/* What both kinds of event have in common. */
static __always_inline struct record *begin_record(struct task_struct *task)
{
	__u32 slot = 0;
	struct record *record = bpf_map_lookup_elem(&records, &slot);

	if (!record)
		return NULL;
	__builtin_memset(&record->event, 0, sizeof(record->event));
	record->used = 0;
	record->event.timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&record->event.proc);
	record->event.loginuid = NO_LOGIN;
	if (bpf_core_field_exists(task->loginuid))
		record->event.loginuid = BPF_CORE_READ(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		record->event.sessionid = BPF_CORE_READ(task, sessionid);
	record->event.tty = BPF_CORE_READ(task, signal, tty, index);
	if (paths) {
		struct fs_struct *fs = BPF_CORE_READ(task, fs);
		struct file *file = executable_of(task);

		record->event.cwd_raw = append_path(record, &fs->pwd);
		record->event.exepath_raw = append_path(record, &file->f_path);
	}
	return record;
}

static __always_inline void send_record(void *ctx, struct record *record)
{
	gadget_output_buf(ctx, &events, record, sizeof(struct event) + tail_used(record));
}

/* The argument vector as the program will find it, in one piece; a closing NUL is not counted. */
static __always_inline void append_args(struct record *record, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	unsigned long start = BPF_CORE_READ(mm, arg_start);
	__u64 size = BPF_CORE_READ(mm, arg_end) - start;

	record->event.args_size = size;
	if (size > ARGS_MAX)
		size = ARGS_MAX;
	if (!size || bpf_probe_read_user(&record->tail[tail_used(record)], size, (const void *)start))
		return;
	record->event.args_raw = tail_take(record, size - 1);
}

/*
 * `file` is what execve was asked to run. It is the executable itself, unless that is the interpreter of a script: then
 * the script's file has been let go of by now and only the name it was given by is left.
 */
static __always_inline void fill_file(struct record *record, struct task_struct *task, struct linux_binprm *bprm)
{
	struct file *file = executable_of(task);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	const char *given = BPF_CORE_READ(bprm, filename);

	if (given != BPF_CORE_READ(bprm, interp)) {
		if (paths)
			record->event.file_raw = append_kernel_string(record, given);
		return;
	}
	record->event.file_from_rootfs = record->event.from_rootfs;
	record->event.fupper_layer = record->event.upper_layer;
	if (paths) {
		__u32 device = BPF_CORE_READ(inode, i_sb, s_dev);

		record->event.file_raw = record->event.exepath_raw;
		record->event.dev_major = device >> DEV_MINOR_BITS;
		record->event.dev_minor = device & ((1u << DEV_MINOR_BITS) - 1);
		record->event.inode = BPF_CORE_READ(inode, i_ino);
	}
}

static __always_inline void fill_parent(struct record *record, struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	struct file *file = executable_of(parent);

	if (!file)
		return;
	record->event.pupper_layer = has_upper_layer(BPF_CORE_READ(file, f_inode));
	if (paths)
		record->event.parent_exepath_raw = append_path(record, &file->f_path);
}

/* Arguments: the task, its thread id before the exec, and what the kernel gathered about the program. */
SEC("raw_tp/sched_process_exec")
int ig_sched_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	struct record *record;
	struct file *file;

	if (gadget_should_discard_data_current())
		return 0;
	record = begin_record(task);
	if (!record)
		return 0;
	file = executable_of(task);
	record->event.args_count = BPF_CORE_READ(bprm, argc);
	record->event.from_rootfs = is_from_rootfs(task, file);
	record->event.upper_layer = has_upper_layer(BPF_CORE_READ(file, f_inode));
	fill_file(record, task, bprm);
	fill_parent(record, task);
	append_args(record, task);
	send_record(ctx, record);
	return 0;
}

/* Copies string by string, as the kernel was to; the first one is the path that was to be executed. */
static __always_inline void append_asked_args(struct record *record, const char *path, const char *const *argv)
{
	__u32 begin = tail_used(record);
	__u32 size;

	for (int i = 0; i < FAILED_ARGS_MAX; i++) {
		const char *argument = path;
		long length;

		if (i && (bpf_probe_read_user(&argument, sizeof(argument), &argv[i]) || !argument))
			break;
		length = bpf_probe_read_user_str(&record->tail[tail_used(record)], FAILED_ARG_MAX, argument);
		if (length <= 0)
			break;
		tail_take(record, length);
		record->event.args_count++;
	}
	size = tail_used(record) - begin;
	record->event.args_size = size;
	record->event.args_raw = GADGET_TAIL(sizeof(struct event) + begin, size ? size - 1 : 0);
}

/* Nothing is called before the parameter is looked at: then a loader can see that nothing is left to do, and not attach. */
static __always_inline int failed(struct syscall_trace_exit *ctx, int first)
{
	struct record *record;
	__u64 args[5];

	if (ignore_failed || ctx->ret >= 0 || gadget_should_discard_data_current())
		return 0;
	record = begin_record((struct task_struct *)bpf_get_current_task());
	if (!record)
		return 0;
	record->event.error_raw = -ctx->ret;
	gadget_syscall_args(args);
	append_asked_args(record, (const char *)args[first], (const char *const *)args[first + 1]);
	send_record(ctx, record);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int ig_execve_x(struct syscall_trace_exit *ctx)
{
	return failed(ctx, 0);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int ig_execveat_x(struct syscall_trace_exit *ctx)
{
	return failed(ctx, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
