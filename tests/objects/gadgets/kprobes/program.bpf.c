// Entry of and return from a system call, under the name that the kernel gives it only with a prefix, and of a function.
#include "../shared/hits.h"

SEC("kprobe/sys_getppid")
int enter(void *ctx)
{
	if (ours())
		report(ctx, "kprobe", 1);
	return 0;
}

SEC("kretprobe/sys_getppid")
int leave(struct pt_regs *ctx)
{
	if (ours())
		report(ctx, "kretprobe", PT_REGS_RC(ctx) >= 0);
	return 0;
}

SEC("kprobe/nothing_of_that_name")
int aimed(void *ctx)
{
	if (ours())
		report(ctx, "aimed", 1);
	return 0;
}
