// A tracepoint that is there, and behind it one that is not.
#include "../shared/hits.h"

SEC("tracepoint/syscalls/sys_enter_getppid")
int there(void *ctx)
{
	if (ours())
		report(ctx, "there", 1);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpid_")
int missing(void *ctx)
{
	return 0;
}
