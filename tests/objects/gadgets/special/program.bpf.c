// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Every type that the host knows by name.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>


struct event {
	gadget_timestamp timestamp_raw;
	gadget_timestamp later_raw;
	gadget_timestamp bare;
	struct gadget_process proc;
	gadget_netns_id netns_id;
	gadget_signal sig_raw;
	gadget_signal odd_sig_raw;
	gadget_errno error_raw;
	gadget_errno odd_error_raw;
	gadget_errno no_error_raw;
	gadget_errno code;
	gadget_errno silent;
	gadget_errno narrow_raw : 7;
	gadget_syscall syscall_raw;
	gadget_syscall odd_syscall_raw;
	gadget_uid uid_raw;
	gadget_gid gid_raw;
	gadget_bytes size_raw;
	gadget_bytes small_raw;
	gadget_duration ns_raw;
	gadget_duration us_raw;
	gadget_duration ms_raw;
	gadget_duration minutes_raw;
	gadget_file_mode mode_raw;
	gadget_file_flags flags_raw;
	gadget_counter__u32 count;
	gadget_gauge__u64 level;
	gadget_histogram_slot__u32 slots[4];
	struct gadget_l3endpoint_t router;
	struct gadget_l4endpoint_t src;
	struct gadget_l4endpoint_t dst;
	struct gadget_l4endpoint_t nowhere;
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pcomm pcomm[TASK_COMM_LEN];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->later_raw = event->timestamp_raw;
	event->bare = event->timestamp_raw;
	__builtin_memcpy(event->proc.comm, "mybinary", 9);
	event->proc.pid = 1111;
	event->proc.tid = 2222;
	event->proc.mntns_id = 4026531840ULL;
	event->proc.creds.uid = 4000000001U;
	event->proc.creds.gid = 4000000002U;
	__builtin_memcpy(event->proc.parent.comm, "myparent", 9);
	event->proc.parent.pid = 11;
	event->proc.parent.tid = 22;
	event->netns_id = 4026531841U;
	event->sig_raw = 9;
	event->odd_sig_raw = 200;
	event->error_raw = 2;
	event->odd_error_raw = 9999;
	event->code = 1;
	event->silent = 13;
	event->narrow_raw = 95;
	event->syscall_raw = 257; /* openat of x86_64 */
	event->odd_syscall_raw = 99999;
	event->uid_raw = 4000000003U;
	event->gid_raw = 4000000004U;
	event->size_raw = 15000000;
	event->small_raw = 1234;
	event->ns_raw = 123;
	event->us_raw = 12340;
	event->ms_raw = 12340000;
	event->minutes_raw = 62003000000ULL;
	event->mode_raw = 0100644;
	event->flags_raw = 02000100;
	event->count = 5;
	event->level = 6;
	event->slots[3] = 7;
	event->router.addr_raw.v4 = 0x0100000a;
	event->router.version = 4;
	event->src.addr_raw.v4 = 0x0200000a;
	event->src.port = 443;
	event->src.proto_raw = 6;
	event->src.version = 4;
	event->dst.addr_raw.v6[15] = 1;
	event->dst.port = 53;
	event->dst.proto_raw = 253;
	event->dst.version = 6;
	event->nowhere.addr_raw.v4 = 0x0300000a;
	event->nowhere.port = 1;
	event->nowhere.proto_raw = 17;
	event->nowhere.version = 5;
	__builtin_memcpy(event->comm, "worker", 7);
	__builtin_memcpy(event->pcomm, "manager", 8);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
