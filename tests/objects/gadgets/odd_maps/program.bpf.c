// Kinds of maps that few gadgets have.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 popped;
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(calls, events, event);

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

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};
	__u64 value = 42;
	__u32 key = 1;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	bpf_map_push_elem(&queue, &value, 0);
	bpf_map_pop_elem(&queue, &event.popped);
	bpf_map_update_elem(&lru, &key, &value, 0);
	bpf_get_stackid(ctx, &stacks, 0);
	gadget_output_buf(ctx, &events, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
