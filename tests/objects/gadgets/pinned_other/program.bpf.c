// The same name for a map of another shape.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct other {
	__u64 count[3];
};

struct event {
	__u64 count;
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(calls, events, event);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct other);
} gadgetry_test_shared_count SEC(".maps");

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;
	__u32 slot = 0;
	struct other *count = bpf_map_lookup_elem(&gadgetry_test_shared_count, &slot);

	if (!count || (__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->count = __sync_fetch_and_add(&count->count[0], 1) + 1;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
