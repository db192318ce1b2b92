// Maps whose number of entries is a variable, of every width; two of them are parameters. And kinds of maps that few gadgets have.
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

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} per_task SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u64);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 8 * 16);
} stacks SEC(".maps");

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

static __always_inline __u32 room(void *map)
{
	__u32 count = 0;

#pragma unroll
	for (__u32 i = 0; i < 40; i++) {
		__u32 key = i;

		if (!bpf_map_update_elem(map, &key, &key, 0))
			count++;
	}
	return count;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event.one = room(&one_byte);
	event.two = room(&two_bytes);
	event.four = room(&four_bytes);
	event.eight = room(&eight_bytes);
	gadget_output_buf(ctx, &events, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
