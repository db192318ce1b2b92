// A map that has the socket enricher's name but is something else: it stays the gadget's own.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} gadget_sockets SEC(".maps");

struct event {
	__u64 calls;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	__u32 key = bpf_get_current_pid_tgid();
	__u64 one = 1, *calls;
	struct event event;

	if (key != thread)
		return 0;
	calls = bpf_map_lookup_elem(&gadget_sockets, &key);
	event.calls = calls ? ++*calls : 1;
	if (!calls)
		bpf_map_update_elem(&gadget_sockets, &key, &one, BPF_ANY);
	gadget_output_buf(ctx, &events, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
