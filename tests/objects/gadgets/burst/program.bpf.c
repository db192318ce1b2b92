// Records as long as those of gadgets that give each text its full length.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 number;
	char name[584];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

__u64 calls_so_far = 0;

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->number = ++calls_so_far;
	event->name[0] = 'a';
	event->name[1] = 0;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
