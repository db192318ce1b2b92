// Code in many shapes: static, global, weak and hidden functions, loops, calls that fail, a tail call from a function into a program of
// an array that the object fills itself, a map with a long name, calls in dead code of a helper that does not exist.
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
	__u32 by_static;
	__u32 by_global;
	__u32 by_weak;
	__u32 by_hidden;
	__u32 by_loop;
	__u32 by_atomic;
	__u32 by_tail;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(code, events, event);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} a_map_whose_name_is_longer_than_the_kernel_takes SEC(".maps");

int target(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} calls SEC(".maps") = {
	.values = { [2] = (void *)&target },
};

volatile __u32 seed = 3;
volatile __u32 never = 0;
const volatile bool impossible = false;

static __noinline __u32 by_static(__u32 x)
{
	return x * 2 + seed;
}

__noinline __u32 by_global(__u32 x)
{
	return by_static(x) + seed;
}

__weak __noinline __u32 by_weak(__u32 x)
{
	return x + seed * 100;
}

__hidden __noinline int by_hidden(void *into, __u32 x)
{
	struct event *event = into;
	event->by_hidden = x + seed;
	return 0;
}

static __noinline int go(void *ctx)
{
	bpf_tail_call(ctx, &calls, 2);
	return 0;
}

static __always_inline struct event *scratch(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&a_map_whose_name_is_longer_than_the_kernel_takes, &zero);
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	struct event *event = scratch();
	if (!event)
		return 0;
	event->by_static = by_static(1);
	event->by_global = by_global(1);
	event->by_weak = by_weak(1);
	by_hidden(event, 1);
	event->by_loop = 0;
	for (int i = 0; i < 100; i++)
		event->by_loop += i + never;
	__sync_fetch_and_add(&event->by_atomic, 5);
	if (impossible)
		asm volatile("call 0xbad2310" ::: "r0", "r1", "r2", "r3", "r4", "r5");
	event->by_tail = 1;
	go(ctx);
	return 0;
}

// It is attached as well, but only works for the program above.
SEC("tracepoint/syscalls/sys_enter_getppid")
int target(void *ctx)
{
	struct event *event = scratch();
	if (!event || event->by_tail != 1 || (__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event->by_tail = 2;
	struct event *out = gadget_reserve_buf(&events, sizeof(*out));
	if (!out)
		return 0;
	*out = *event;
	gadget_submit_buf(ctx, &events, out, sizeof(*out));
	return 0;
}
