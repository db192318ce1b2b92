// Maps whose number of entries is a variable, of every width; two of them are parameters.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u32 one;
	__u32 two;
	__u32 four;
	__u32 eight;
	__u32 calls;
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(calls, events, event);

#define SIZED(name)                                    \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_HASH);       \
		__uint(max_entries, 0);                \
		__type(key, __u32);                    \
		__type(value, __u32);                  \
	} name SEC(".maps")

SIZED(one_byte);
SIZED(two_bytes);
SIZED(four_bytes);
SIZED(eight_bytes);

const volatile __u8 one_byte_max_entries = 3;
const volatile __u16 two_bytes_max_entries = 5;
const volatile int four_bytes_max_entries = 7;
const volatile __u64 eight_bytes_max_entries = 9;
GADGET_PARAM(two_bytes_max_entries);
GADGET_PARAM(eight_bytes_max_entries);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

/* Each call puts one more key into each map that has room for it. */
__u32 calls_so_far = 0;
struct event sizes = {};

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event event;
	__u32 key;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	key = ++calls_so_far;
	if (!bpf_map_update_elem(&one_byte, &key, &key, 0))
		sizes.one++;
	if (!bpf_map_update_elem(&two_bytes, &key, &key, 0))
		sizes.two++;
	if (!bpf_map_update_elem(&four_bytes, &key, &key, 0))
		sizes.four++;
	if (!bpf_map_update_elem(&eight_bytes, &key, &key, 0))
		sizes.eight++;
	event = sizes;
	event.calls = key;
	gadget_output_buf(ctx, &events, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
