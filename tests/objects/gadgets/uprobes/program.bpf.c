// Probes in files of containers: functions by path and by library, their returns, a static probe, a function of a Go program.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum probed_place {
	path_entry,
	path_return,
	library_entry,
	library_return,
	sold,
	go_entry,
};

struct event {
	gadget_pid pid;
	enum probed_place probe_raw;
	__u64 value;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(probes, events, event);

static __always_inline int report(void *ctx, enum probed_place probe, __u64 value)
{
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->probe_raw = probe;
	event->value = value;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("uprobe//opt/probed.so:probed")
int by_path(struct pt_regs *ctx)
{
	return report(ctx, path_entry, PT_REGS_PARM1(ctx));
}

SEC("uretprobe//opt/probed.so:probed")
int by_path_back(struct pt_regs *ctx)
{
	return report(ctx, path_return, PT_REGS_RC(ctx));
}

SEC("uprobe/libprobed:probed")
int by_library(struct pt_regs *ctx)
{
	return report(ctx, library_entry, PT_REGS_PARM1(ctx));
}

SEC("uretprobe.multi/libprobed:probed")
int by_library_back(struct pt_regs *ctx)
{
	return report(ctx, library_return, PT_REGS_RC(ctx));
}

SEC("usdt//opt/probed.so:shop:sold")
int static_probe(struct pt_regs *ctx)
{
	return report(ctx, sold, PT_REGS_PARM1(ctx));
}

SEC("uprobe//opt/go:main.work")
int go_function(struct pt_regs *ctx)
{
	return report(ctx, go_entry, PT_REGS_PARM1(ctx));
}

char LICENSE[] SEC("license") = "GPL";
