// Asks the kernel for more memory than anybody has.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 0x80000000);
} absurd SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	__u64 key = 0;
	return bpf_ringbuf_output(&absurd, &key, sizeof(key), 0);
}
