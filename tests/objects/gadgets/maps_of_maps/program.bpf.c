// Maps of maps whose values the object gives itself: two arrays, known to an array and, the other way round, to a hash of maps.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 first;
	__u64 second;
	__u32 missing;
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(calls, events, event);

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};
struct inner first SEC(".maps");
struct inner second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__array(values, struct inner);
} listed SEC(".maps") = { .values = { [0] = &first, [2] = &second } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, struct inner);
} hashed SEC(".maps") = { .values = { &second, &first } };

/* Empty until somebody else fills it, as gadgets do whose user space makes a map for each container. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 16);
	__uint(key_size, sizeof(__u64));
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
		__uint(key_size, sizeof(__u32));
		__uint(value_size, sizeof(__u32));
	});
} unfilled SEC(".maps");

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

static __always_inline __u64 add(void *outer, __u32 slot, __u64 what)
{
	__u32 zero = 0;
	__u64 *count;
	void *inner = bpf_map_lookup_elem(outer, &slot);

	if (!inner)
		return 0;
	count = bpf_map_lookup_elem(inner, &zero);
	return count ? __sync_fetch_and_add(count, what) + what : 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};
	__u32 hole = 1;
	__u64 key = 1;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	add(&listed, 0, 1);
	add(&listed, 2, 10);
	event.second = add(&hashed, 0, 100);
	event.first = add(&hashed, 1, 1000);
	event.missing = !bpf_map_lookup_elem(&listed, &hole) + !bpf_map_lookup_elem(&unfilled, &key);
	gadget_output_buf(ctx, &events, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
