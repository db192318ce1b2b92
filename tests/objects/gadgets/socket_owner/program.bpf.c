// Whose socket it is: a mincore of an odd address (which fails) asks for family, protocol and port in the current network namespace.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>
#include <gadget/sockets-map.h>

#define PATH 512
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

struct event {
	__u64 question;
	__u64 mntns;
	__u64 sock;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u32 ppid;
	__u32 ptid;
	__u32 cwd_size;
	__u32 exepath_size;
	__u8 found;
	__u8 ipv6only;
	__u8 deleted;
	char comm[TASK_COMM_LEN];
	char pcomm[TASK_COMM_LEN];
	char cwd[PATH];
	char exepath[PATH];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(owners, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

static __always_inline void describe(struct event *event, struct gadget_socket_value *owner)
{
	event->found = 1;
	event->mntns = owner->mntns;
	event->sock = owner->sock;
	event->pid = owner->pid_tgid >> 32;
	event->tid = (__u32)owner->pid_tgid;
	event->uid = (__u32)owner->uid_gid;
	event->gid = owner->uid_gid >> 32;
	event->ppid = owner->ppid;
	event->ptid = owner->ptid;
	event->ipv6only = owner->ipv6only;
	event->deleted = owner->deletion_timestamp != 0;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), owner->task);
	bpf_probe_read_kernel_str(event->pcomm, sizeof(event->pcomm), owner->ptask);
	if (bpf_core_field_exists(owner->cwd)) {
		event->cwd_size = bpf_core_field_size(owner->cwd);
		bpf_probe_read_kernel_str(event->cwd, sizeof(event->cwd), owner->cwd);
	}
	if (bpf_core_field_exists(owner->exepath)) {
		event->exepath_size = bpf_core_field_size(owner->exepath);
		bpf_probe_read_kernel_str(event->exepath, sizeof(event->exepath), owner->exepath);
	}
}

SEC("tracepoint/syscalls/sys_enter_mincore")
int ask(struct trace_event_raw_sys_enter *ctx)
{
	struct gadget_socket_key key = {};
	struct gadget_socket_value *owner;
	struct event *event;

	if ((__u32)bpf_get_current_pid_tgid() != thread || !(ctx->args[0] & 1))
		return 0;
	key.netns = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), nsproxy, net_ns, ns.inum);
	key.family = ctx->args[1] >> 8;
	key.proto = ctx->args[1];
	key.port = ctx->args[2];
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, offsetof(struct event, cwd));
	event->cwd[0] = 0;
	event->exepath[0] = 0;
	event->question = ctx->args[0];
	owner = bpf_map_lookup_elem(&gadget_sockets, &key);
	if (owner)
		describe(event, owner);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
