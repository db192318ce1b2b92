// Where the metadata aims programs, and which it turns off and on.
#include "../shared/hits.h"

SEC("tracepoint/syscalls/sys_enter_sync")
int aimed(void *ctx)
{
	if (ours())
		report(ctx, "aimed", 1);
	return 0;
}

SEC("raw_tp/gadget_program_disabled")
int turned_on(struct bpf_raw_tracepoint_args *ctx)
{
	if (ours())
		report(ctx, "turned_on", 1);
	return 0;
}

SEC("raw_tp/sys_enter")
int turned_off(void *ctx)
{
	if (ours())
		report(ctx, "turned_off", 1);
	return 0;
}

/* Upstream's way to switch a program off for good. */
SEC("kprobe/gadget_program_disabled")
int off(void *ctx)
{
	if (ours())
		report(ctx, "off", 1);
	return 0;
}
