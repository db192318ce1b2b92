// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The processes, or threads, that exist at one moment: an iterator over the kernel's tasks. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

const volatile bool show_threads = false;

GADGET_PARAM(show_threads);

GADGET_SNAPSHOTTER(processes, gadget_process, ig_snap_proc);

static __always_inline void fill(struct gadget_process *process, struct task_struct *task)
{
	struct task_struct *parent = task->real_parent;

	__builtin_memcpy(process->comm, task->comm, TASK_COMM_LEN);
	process->pid = task->tgid;
	process->tid = task->pid;
	/* An exiting task has let go of its namespaces: the loads then give 0. */
	process->mntns_id = task->nsproxy->mnt_ns->ns.inum;
	process->creds.uid = task->cred->uid.val;
	process->creds.gid = task->cred->gid.val;
	if (parent) {
		__builtin_memcpy(process->parent.comm, parent->comm, TASK_COMM_LEN);
		process->parent.pid = parent->tgid;
		process->parent.tid = parent->pid;
	}
}

SEC("iter/task")
int ig_snap_proc(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct gadget_process process = {};

	if (!task || (!show_threads && task->tgid != task->pid))
		return 0;
	fill(&process, task);
	if (gadget_should_discard_data(process.mntns_id, process.pid, process.tid, process.comm, process.creds.uid,
				       process.creds.gid))
		return 0;
	bpf_seq_write(ctx->meta->seq, &process, sizeof(process));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
