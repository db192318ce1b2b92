// Trampolines on a function.
#include "../shared/hits.h"

SEC("fentry/vfs_unlink")
int BPF_PROG(enter)
{
	if (ours())
		report(ctx, "fentry", 1);
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(leave)
{
	if (ours())
		report(ctx, "fexit", 1);
	return 0;
}

SEC("fentry/vfs_read")
int BPF_PROG(off)
{
	if (ours())
		report(ctx, "off", 1);
	return 0;
}
