#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include "helper.h"

SEC("tracepoint/sched/sched_process_exit")
int on_exit(void *ctx)
{
	int unused;
	return missing + half();
}
