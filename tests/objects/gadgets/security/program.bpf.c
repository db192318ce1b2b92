// A security hook.
#include "../shared/hits.h"

SEC("lsm/file_open")
int BPF_PROG(opened, struct file *file, int ret)
{
	if (ours())
		report(ctx, "lsm", 1);
	return ret;
}
