// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// A kernel stack, taken in a tracepoint (a raw one: before 6.10 those of system calls see no kernel stack); one id that leads nowhere.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>
#include <gadget/kernel_stack_map.h>


struct event {
	gadget_kernel_stack kstack_raw;
	gadget_kernel_stack other;
	gadget_kernel_stack lost_raw;
	gadget_kernel_stack failed_raw;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct event *event;

	/* getppid of x86_64 */
	if (ctx->args[1] != 110 || (__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->kstack_raw = gadget_get_kernel_stack(ctx);
	event->other = event->kstack_raw;
	event->lost_raw = 9999;
	event->failed_raw = -14;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
