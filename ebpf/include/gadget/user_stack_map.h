/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * User stacks: the event carries a stack id and what the host needs to find the executable again. Nothing is taken
 * unless the user asks for it. The OpenTelemetry profiler's tail calls are not offered: otel_correlation_id stays 0.
 */
#ifndef GADGET_USER_STACK_MAP_H
#define GADGET_USER_STACK_MAP_H

#include <gadget/fnv1a.h>
#include <gadget/macros.h>
#include <gadget/task.h>
#include <gadget/types.h>

#define USER_MAX_STACK_DEPTH 127
#define USER_STACK_MAP_MAX_ENTRIES 10000
#define GADGET_KDEV_MINOR_BITS 20

const volatile bool collect_ustack = false;
const volatile bool collect_build_id = false;
/* The host gives map ig_build_id this many entries. */
const volatile int ig_build_id_max_entries = 1024;

GADGET_PARAM(collect_ustack);
GADGET_PARAM(collect_build_id);
GADGET_PARAM(ig_build_id_max_entries);

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, USER_STACK_MAP_MAX_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, USER_MAX_STACK_DEPTH * sizeof(__u64));
} ig_ustack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 0);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, USER_MAX_STACK_DEPTH * sizeof(struct bpf_stack_build_id));
} ig_build_id SEC(".maps");

static const struct bpf_stack_build_id gadget_no_build_ids_[USER_MAX_STACK_DEPTH];

/* inode: the modification time was i_mtime until 6.6, __i_mtime until 6.10, two members since. */
struct inode___mtime_struct {
	struct timespec64 i_mtime;
} __attribute__((preserve_access_index));

struct inode___mtime_private {
	struct timespec64 __i_mtime;
} __attribute__((preserve_access_index));

struct inode___mtime_split {
	time64_t i_mtime_sec;
	__u32 i_mtime_nsec;
} __attribute__((preserve_access_index));

static __always_inline void gadget_inode_get_mtime(struct inode *inode, __u64 *seconds, __u32 *nanoseconds)
{
	struct inode___mtime_split *split = (void *)inode;
	struct inode___mtime_private *private = (void *)inode;
	struct inode___mtime_struct *plain = (void *)inode;

	if (bpf_core_field_exists(split->i_mtime_sec)) {
		*seconds = BPF_CORE_READ(split, i_mtime_sec);
		*nanoseconds = BPF_CORE_READ(split, i_mtime_nsec);
	} else if (bpf_core_field_exists(private->__i_mtime)) {
		*seconds = BPF_CORE_READ(private, __i_mtime.tv_sec);
		*nanoseconds = BPF_CORE_READ(private, __i_mtime.tv_nsec);
	} else if (bpf_core_field_exists(plain->i_mtime)) {
		*seconds = BPF_CORE_READ(plain, i_mtime.tv_sec);
		*nanoseconds = BPF_CORE_READ(plain, i_mtime.tv_nsec);
	}
}

/* The task's id in the outermost pid namespace and in the one below it, should the host's /proc be mounted there. */
static __always_inline void gadget_fill_pids_(struct gadget_user_stack *stack, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct upid *levels = (struct upid *)((char *)pid + bpf_core_field_offset(struct pid, numbers));

	stack->tgid_level0 = bpf_get_current_pid_tgid() >> 32;
	stack->pid_level0 = BPF_CORE_READ(levels, nr);
	stack->pidns_level0 = BPF_CORE_READ(levels, ns, ns.inum);
	if (BPF_CORE_READ(pid, level) == 0)
		return;
	levels = (struct upid *)((char *)levels + bpf_core_type_size(struct upid));
	stack->pid_level1 = BPF_CORE_READ(levels, nr);
	stack->pidns_level1 = BPF_CORE_READ(levels, ns, ns.inum);
}

/* Build ids are the same for the same stack: taken once. */
static __always_inline void gadget_fill_build_ids_(void *ctx, __u32 id)
{
	void *frames;

	if (bpf_map_update_elem(&ig_build_id, &id, gadget_no_build_ids_, BPF_NOEXIST))
		return;
	frames = bpf_map_lookup_elem(&ig_build_id, &id);
	if (frames)
		bpf_get_stack(ctx, frames, sizeof(gadget_no_build_ids_), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
}

/* Fills `stack` for the current task, with nothing but zeros unless stacks are wanted. */
static __always_inline void gadget_get_user_stack(void *ctx, struct gadget_user_stack *stack)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct inode *inode;
	__u32 device;
	long id;

	__builtin_memset(stack, 0, sizeof(*stack));
	if (!collect_ustack)
		return;
	id = bpf_get_stackid(ctx, &ig_ustack, BPF_F_FAST_STACK_CMP | BPF_F_USER_STACK);
	inode = BPF_CORE_READ(mm, exe_file, f_inode);
	device = BPF_CORE_READ(inode, i_sb, s_dev);
	stack->stack_id = id;
	stack->major = device >> GADGET_KDEV_MINOR_BITS;
	stack->minor = device & ((1u << GADGET_KDEV_MINOR_BITS) - 1);
	stack->inode = BPF_CORE_READ(inode, i_ino);
	stack->boot_timestamp = bpf_ktime_get_boot_ns();
	gadget_inode_get_mtime(inode, &stack->mtime_sec, &stack->mtime_nsec);
	stack->base_addr_hash = fnv1a_32_u64(FNV1A_32_INIT, (__u64)mm);
	stack->base_addr_hash = fnv1a_32_u64(stack->base_addr_hash, BPF_CORE_READ(mm, start_code));
	stack->base_addr_hash = fnv1a_32_u64(stack->base_addr_hash, BPF_CORE_READ(mm, start_stack));
	gadget_fill_pids_(stack, task);
	if (collect_build_id && id >= 0)
		gadget_fill_build_ids_(ctx, id);
}

#endif
