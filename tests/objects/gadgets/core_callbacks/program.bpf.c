// Functions that the kernel calls back: loops (5.17), map elements (5.13), a timer (5.15).
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

struct event {
	__u32 loops;
	__u32 elements;
	__u32 by_timer;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(callbacks, events, event);

struct element {
	__u32 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct element);
} elements SEC(".maps");

struct clock {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct clock);
} clocks SEC(".maps");

static int each(__u32 index, void *sum)
{
	*(__u32 *)sum += index;
	return 0;
}

static long element(void *map, __u32 *key, struct element *value, __u32 *count)
{
	(*count)++;
	return 0;
}

static void emit(void *ctx, __u32 loops, __u32 count, __u32 by_timer)
{
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return;
	event->loops = loops;
	event->elements = count;
	event->by_timer = by_timer;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
}

static int ring(void *map, __u32 *key, struct clock *clock)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->by_timer = 1;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

// Timers are not for tracing programs, but for those of sockets; this one never sees a packet, it is only verified.
SEC("socket1")
int timed(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct clock *clock = bpf_map_lookup_elem(&clocks, &zero);
	if (clock && !bpf_timer_init(&clock->timer, &clocks, 1)) {
		bpf_timer_set_callback(&clock->timer, ring);
		bpf_timer_start(&clock->timer, 0, 0);
	}
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	__u32 sum = 0, count = 0;
	bpf_loop(10, each, &sum, 0);
	bpf_for_each_map_elem(&elements, element, &count, 0);
	emit(ctx, sum, count, 0);
	return 0;
}
