// A tracer through perf buffers: one event per getppid of one thread. Records have an odd length, so that some go on at the
// beginning of a buffer. A map iterator tells how many were written or tried to be.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 number;
	__u32 length;
	__u32 words[8];
	__u64 twice;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");
GADGET_TRACER(calls, events, event);

struct cpu_key {
	__u32 cpu;
};
struct count {
	__u64 count;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cpu_key);
	__type(value, struct count);
} written SEC(".maps");
GADGET_MAPITER(produced, written);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

__u64 calls_so_far = 0;

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct cpu_key cpu = { bpf_get_smp_processor_id() };
	struct count one = { 1 }, *seen;
	struct event event = {};

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event.number = ++calls_so_far;
	event.length = sizeof(event);
#pragma unroll
	for (int i = 0; i < 8; i++)
		event.words[i] = event.number + i;
	event.twice = 2 * event.number;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	seen = bpf_map_lookup_elem(&written, &cpu);
	if (seen)
		seen->count++;
	else
		bpf_map_update_elem(&written, &cpu, &one, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
