// Samples the CPUs; a sample of our process is an event.
#include "../shared/hits.h"

const volatile __u32 process = 0;
GADGET_PARAM(process);

SEC("perf_event/clock")
int take_sample(void *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == process)
		report(ctx, "sample", 1);
	return 0;
}
