/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Arguments of a system call seen at its end (an addition of gadgetry). They still stand in the registers that the
 * task saved when it entered the kernel: x86-64 overwrites only ax (the number is kept in orig_ax), arm64 only x0 (kept
 * in orig_x0). So one program at the exit does the work of two, and no map has to carry arguments from one to the other.
 */
#ifndef GADGET_SYSCALL_H
#define GADGET_SYSCALL_H

#include <gadget/task.h>

/* Size of a kernel stack on 64-bit x86 and on arm64 with 4 KiB pages. Only kernels before 5.15 need it. */
#define GADGET_THREAD_SIZE 16384

#if defined(__TARGET_ARCH_x86)
#define GADGET_SYSCALL_ARGS_(read, regs, out)            \
	do {                                             \
		(out)[0] = read(regs, di);               \
		(out)[1] = read(regs, si);               \
		(out)[2] = read(regs, dx);               \
		(out)[3] = read(regs, r10);              \
		(out)[4] = read(regs, r8);               \
	} while (0)
#elif defined(__TARGET_ARCH_arm64)
#define GADGET_SYSCALL_ARGS_(read, regs, out)            \
	do {                                             \
		(out)[0] = read(regs, orig_x0);          \
		(out)[1] = read(regs, regs[1]);          \
		(out)[2] = read(regs, regs[2]);          \
		(out)[3] = read(regs, regs[3]);          \
		(out)[4] = read(regs, regs[4]);          \
	} while (0)
#else
#error "define __TARGET_ARCH_x86 or __TARGET_ARCH_arm64"
#endif

#define GADGET_LOAD_(pointer, member) ((pointer)->member)
#define GADGET_PROBE_(pointer, member) BPF_CORE_READ(pointer, member)

/* The first five arguments of the system call that is just ending. Values nobody uses cost nothing where loads are plain. */
static __always_inline void gadget_syscall_args(__u64 args[5])
{
	struct pt_regs *regs;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
		GADGET_SYSCALL_ARGS_(GADGET_LOAD_, regs, args);
		return;
	}
	/* Before 5.15 the registers are known to lie at the very top of the kernel stack. */
	regs = (struct pt_regs *)((char *)gadget_current_read(stack) + GADGET_THREAD_SIZE - bpf_core_type_size(struct pt_regs));
	GADGET_SYSCALL_ARGS_(GADGET_PROBE_, regs, args);
}

#endif
