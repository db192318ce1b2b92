// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Processes that end: a gadget with a flag of its own, a header of its own and a parameter. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>
#include <limits_of_exits.h>

struct event {
	gadget_timestamp timestamp_raw;
	gadget_mntns_id mntns_id;
	__u32 pid;
	__u32 code;
	char comm[LONGEST];
};

const volatile __u32 only_code = FLAVOUR;
GADGET_PARAM(only_code);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(exits, events, event);

SEC("tracepoint/sched/sched_process_exit")
int on_exit(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u32 code = BPF_CORE_READ(task, exit_code) >> 8;
	struct event *event;

	if (only_code && code != only_code)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->mntns_id = 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->code = code;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
