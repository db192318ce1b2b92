// Prints a line per getppid of one thread.
#include "../shared/hits.h"

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	if (ours())
		bpf_printk("getppid of thread %d is printed", thread);
	return 0;
}
