/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The current task (an addition of gadgetry). Kernels from 5.11 on hand out a typed pointer whose members are read by
 * plain loads; before, each member costs a call of a probe-read helper. Code that matters has a branch for each.
 */
#ifndef GADGET_TASK_H
#define GADGET_TASK_H

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Whether bpf_get_current_task_btf() exists. Settled before the program is verified: the other branch is dead code. */
static __always_inline bool gadget_has_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
}

/* A member of the current task along a path of pointers: gadget_current_read(nsproxy, mnt_ns, ns.inum). */
#define gadget_current_read(...) BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), __VA_ARGS__)

#endif
