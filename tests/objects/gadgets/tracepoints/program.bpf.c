// Every form of tracepoint, and two programs in one section.
#include "../shared/hits.h"

SEC("tracepoint/syscalls/sys_enter_getppid")
int tracepoint_long(void *ctx)
{
	if (ours())
		report(ctx, "tracepoint", 1);
	return 0;
}

SEC("?tp/syscalls/sys_enter_getppid")
int tracepoint_short(void *ctx)
{
	if (ours())
		report(ctx, "tp", 1);
	return 0;
}

SEC("tp/syscalls/sys_exit_getppid")
int first(struct trace_event_raw_sys_exit *ctx)
{
	if (ours())
		report(ctx, "first", ctx->ret > 0);
	return 0;
}

SEC("tp/syscalls/sys_exit_getppid")
int second(struct trace_event_raw_sys_exit *ctx)
{
	if (ours())
		report(ctx, "second", ctx->ret > 0);
	return 0;
}

const volatile __u64 number = 0;
GADGET_PARAM(number);

SEC("raw_tracepoint/sys_enter")
int raw_long(struct bpf_raw_tracepoint_args *ctx)
{
	if (ours() && ctx->args[1] == number)
		report(ctx, "raw_tracepoint", 1);
	return 0;
}

SEC("raw_tp/sys_enter")
int raw_short(struct bpf_raw_tracepoint_args *ctx)
{
	if (ours() && ctx->args[1] == number)
		report(ctx, "raw_tp", 1);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(typed, struct pt_regs *regs, long id)
{
	if (ours() && id == number)
		report(ctx, "tp_btf", 1);
	return 0;
}
