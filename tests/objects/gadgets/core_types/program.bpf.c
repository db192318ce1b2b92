// What an object asks about the kernel's types: fields, sizes, types, enumerators, matches, ids, bit fields, flexible arrays.
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
	__u32 pid;
	__u32 tgid_by_flavour;
	__u8 field_there;
	__u8 field_missing;
	__u8 type_there;
	__u8 type_missing;
	__u8 matches;
	__u8 matches_not;
	__u8 enumerator_there;
	__u8 enumerator_missing;
	__u32 enumerator;
	__u32 comm_size;
	__u32 prev_offset;
	__u32 list_size;
	__u32 signedness;
	__u32 bit_field;
	__u32 local_id;
	__s64 first_argument;
	__s64 second_argument;
	__u32 missing_read;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(types, events, event);

struct task_struct___flavour {
	int tgid;
	char comm[16];
} __attribute__((preserve_access_index));

struct task_struct___none {
	int gadgetry_has_no_such_field;
} __attribute__((preserve_access_index));

struct list_head___ours {
	struct list_head *next, *prev;
} __attribute__((preserve_access_index));

struct list_head___others {
	struct list_head *next;
	int prev;
} __attribute__((preserve_access_index));

struct gadgetry_has_no_such_type {
	int x;
} __attribute__((preserve_access_index));

enum pid_type___ours {
	PIDTYPE_TGID___ours = 77,
	PIDTYPE_GADGETRY___ours = 78,
};

SEC("tracepoint/syscalls/sys_enter_kill")
int enter(struct syscall_trace_enter *ctx)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread || ctx->args[1] != 0)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct___flavour *flavour = (void *)task;
	struct task_struct___none *none = (void *)task;
	event->pid = BPF_CORE_READ(task, tgid);
	event->tgid_by_flavour = BPF_CORE_READ(flavour, tgid);
	event->field_there = bpf_core_field_exists(flavour->tgid);
	event->field_missing = bpf_core_field_exists(none->gadgetry_has_no_such_field);
	event->type_there = bpf_core_type_exists(struct list_head___ours);
	event->type_missing = bpf_core_type_exists(struct gadgetry_has_no_such_type);
#if __clang_major__ >= 15
	event->matches = bpf_core_type_matches(struct list_head___ours);
	event->matches_not = bpf_core_type_matches(struct list_head___others);
#else
	event->matches = 1;
#endif
	event->enumerator_there = bpf_core_enum_value_exists(enum pid_type___ours, PIDTYPE_TGID___ours);
	event->enumerator_missing = bpf_core_enum_value_exists(enum pid_type___ours, PIDTYPE_GADGETRY___ours);
	event->enumerator = bpf_core_enum_value(enum pid_type___ours, PIDTYPE_TGID___ours);
	event->comm_size = bpf_core_field_size(flavour->comm);
	event->prev_offset = __builtin_preserve_field_info(((struct list_head___ours *)0)->prev, BPF_FIELD_BYTE_OFFSET);
	event->list_size = bpf_core_type_size(struct list_head___ours);
	event->signedness = __builtin_preserve_field_info(flavour->tgid, BPF_FIELD_SIGNED);
	event->bit_field = BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	event->local_id = bpf_core_type_id_local(struct event) != 0;
	event->first_argument = ctx->args[0];
	event->second_argument = ctx->args[1];
	if (bpf_core_field_exists(none->gadgetry_has_no_such_field))
		event->missing_read = BPF_CORE_READ(none, gadgetry_has_no_such_field);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}
