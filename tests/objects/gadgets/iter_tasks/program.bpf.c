// Tasks and their open files; the tasks in the form that former headers declared.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct task {
	gadget_pid pid;
	gadget_tid tid;
	gadget_comm comm[TASK_COMM_LEN];
};

struct opened {
	gadget_pid pid;
	__u32 fd;
	__u64 inode;
};

const void *gadget_snapshotter_tasks___task___walk_tasks __attribute__((unused));
struct task *unused_task __attribute__((unused));
GADGET_ITER(files, opened, walk_files);

SEC("iter/task")
int walk_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task record = {};

	if (!task)
		return 0;
	record.pid = task->tgid;
	record.tid = task->pid;
	bpf_probe_read_kernel_str(record.comm, sizeof(record.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

SEC("iter/task_file")
int walk_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct opened record = {};

	if (!task || !file)
		return 0;
	record.pid = task->tgid;
	record.fd = ctx->fd;
	record.inode = BPF_CORE_READ(file, f_inode, i_ino);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
