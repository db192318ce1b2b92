// Asks the kernel for more memory than anybody has.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1000);
	__uint(key_size, 4);
	__uint(value_size, 0x3fffffff);
} absurd SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	__u64 key = 0;
	return bpf_map_lookup_elem(&absurd, &key) != 0;
}
