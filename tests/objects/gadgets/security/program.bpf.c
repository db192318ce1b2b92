// Security hooks; one program may sleep.
#include "../shared/hits.h"

SEC("lsm/file_open")
int BPF_PROG(opened, struct file *file, int ret)
{
	if (ours())
		report(ctx, "lsm", 1);
	return ret;
}

SEC("lsm.s/file_open")
int BPF_PROG(opened_sleepable, struct file *file, int ret)
{
	if (ours())
		report(ctx, "lsm.s", 1);
	return ret;
}
