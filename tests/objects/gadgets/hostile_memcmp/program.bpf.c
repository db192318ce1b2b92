// Calls a function of the C library, as old compilers make of comparisons.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int memcmp(const void *a, const void *b, unsigned long size);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(char *ctx)
{
	return memcmp(ctx, ctx + 16, bpf_get_prandom_u32() & 15);
}
