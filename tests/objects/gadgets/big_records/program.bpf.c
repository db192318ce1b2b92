// Records of which a small ring holds none: every one is lost, and no event ever tells of it.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 number;
	char rest[8184];
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;
	__u32 slot = 0;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = bpf_map_lookup_elem(&gadget_heap, &slot);
	if (event)
		gadget_output_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
