// A program on a security hook that may sleep.
#include "../shared/hits.h"

SEC("lsm.s/file_open")
int BPF_PROG(opened_sleepable, struct file *file, int ret)
{
	if (ours())
		report(ctx, "lsm.s", 1);
	return ret;
}
