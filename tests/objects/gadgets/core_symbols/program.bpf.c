// Symbols of the kernel: untyped ones, typed ones, functions, and those that are not there.
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
	__u64 address;
	__u64 absent_address;
	__u32 function_there;
	__u32 absent_function;
	__u32 type_id;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(symbols, events, event);

extern const void _stext __ksym;
extern const void gadgetry_has_no_such_symbol __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern int gadgetry_has_no_such_function(int) __ksym __weak;

SEC("tp_btf/sys_enter")
int BPF_PROG(enter, struct pt_regs *regs, long id)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread || id != 110)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->address = (__u64)&_stext;
	event->absent_address = (__u64)&gadgetry_has_no_such_symbol;
	if (bpf_rcu_read_lock && bpf_rcu_read_unlock) {
		bpf_rcu_read_lock();
		event->function_there = 1;
		bpf_rcu_read_unlock();
	}
	if (gadgetry_has_no_such_function)
		event->absent_function = gadgetry_has_no_such_function(1);
	event->type_id = bpf_core_type_id_kernel(struct task_struct);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}
