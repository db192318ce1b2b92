// A map iterator: calls of getppid per thread since the last read.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct count_key {
	__u32 tid;
};
struct count_value {
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct count_key);
	__type(value, struct count_value);
} counts SEC(".maps");
GADGET_MAPITER(calls, counts);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct count_key key = { (__u32)bpf_get_current_pid_tgid() };
	struct count_value one = { 1 }, *seen;

	if (key.tid != thread)
		return 0;
	seen = bpf_map_lookup_elem(&counts, &key);
	if (seen)
		__sync_fetch_and_add(&seen->count, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
