/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fills struct gadget_process, the part that nearly every event begins with. */
#ifndef GADGET_COMMON_H
#define GADGET_COMMON_H

#include <gadget/types.h>
#include <gadget/mntns.h>
#include <gadget/task.h>

/* A comm is 16 bytes at an address that suits 8-byte loads, on all kernels that know bpf_get_current_task_btf(). */
static __always_inline void gadget_copy_comm_(void *to, const void *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

static __always_inline void gadget_process_load_(struct gadget_process *process)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *parent = task->real_parent;
	const struct cred *cred = task->cred;

	gadget_copy_comm_(process->comm, task->comm);
	process->pid = task->tgid;
	process->tid = task->pid;
	process->mntns_id = task->nsproxy->mnt_ns->ns.inum;
	process->creds.uid = cred->uid.val;
	process->creds.gid = cred->gid.val;
	gadget_copy_comm_(process->parent.comm, parent->comm);
	process->parent.pid = parent->tgid;
	process->parent.tid = parent->pid;
}

static __always_inline void gadget_process_probe_(struct gadget_process *process)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u64 ids = bpf_get_current_pid_tgid();
	__u64 owner = bpf_get_current_uid_gid();

	bpf_get_current_comm(process->comm, sizeof(process->comm));
	process->pid = ids >> 32;
	process->tid = (__u32)ids;
	process->mntns_id = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	process->creds.uid = (__u32)owner;
	process->creds.gid = owner >> 32;
	BPF_CORE_READ_INTO(&process->parent.comm, parent, comm);
	process->parent.pid = BPF_CORE_READ(parent, tgid);
	process->parent.tid = BPF_CORE_READ(parent, pid);
}

/* Fills `process` with the current task and its parent. */
static __always_inline void gadget_process_populate(struct gadget_process *process)
{
	if (gadget_has_task_btf())
		gadget_process_load_(process);
	else
		gadget_process_probe_(process);
}

#endif
