// A variable of the kernel that there is one of per CPU.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

struct event {
	__u32 cpu;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(variable, events, event);

extern const struct rq runqueues __ksym;

SEC("tp_btf/sys_enter")
int BPF_PROG(enter, struct pt_regs *regs, long id)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread || id != 110)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	struct rq *rq = bpf_per_cpu_ptr(&runqueues, 1);
	if (rq)
		event->cpu = BPF_CORE_READ(rq, cpu);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}
