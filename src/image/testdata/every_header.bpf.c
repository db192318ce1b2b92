// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Includes every authoring header and uses what gadgets written for upstream use, in upstream's way. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define GADGET_TYPE_TRACING
#include <gadget/bits.bpf.h>
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/core_fixes.bpf.h>
#include <gadget/filesystem.h>
#include <gadget/sockets-map.h>
#include <gadget/filter.h>
#include <gadget/fnv1a.h>
#include <gadget/kernel_stack_map.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/mntns.h>
#include <gadget/mntns_filter.h>
#include <gadget/syscall.h>
#include <gadget/tail.h>
#include <gadget/types.h>
#include <gadget/user_stack_map.h>

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	struct gadget_l4endpoint_t src;
	struct gadget_user_stack ustack;
	gadget_kernel_stack kstack_raw;
	gadget_syscall syscall_raw;
	char cwd[GADGET_PATH_MAX];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(everything, events, event);

struct row {
	gadget_counter__u64 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct row);
	__type(value, struct row);
} rows SEC(".maps");

GADGET_MAPITER(rows, rows);
GADGET_ITER(elements, row, walk);
GADGET_ITER_TARGET_MAP(walk, rows);

SEC("kprobe/tcp_close")
int BPF_KPROBE(probe, struct sock *sk)
{
	struct gadget_socket_value *owner = gadget_socket_lookup(sk, 1);
	struct fs_struct *fs = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), fs);
	struct event *event;

	if (gadget_should_discard_data_current() || gadget_should_discard_data_by_skb(owner))
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	gadget_process_populate_from_socket(owner, &event->proc);
	gadget_get_user_stack(ctx, &event->ustack);
	event->kstack_raw = gadget_get_kernel_stack(ctx);
	event->syscall_raw = log2l(get_slot_idx(bpf_get_current_pid_tgid()));
	bpf_probe_read_kernel_str(event->cwd, sizeof(event->cwd), get_path_str(&fs->pwd));
	if (read_full_path_of_open_file_fd(1, event->cwd, sizeof(event->cwd)) < 0 ||
	    get_task_state((void *)bpf_get_current_task())) {
		gadget_discard_buf(event);
		return 0;
	}
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_close")
int output(struct syscall_trace_exit *ctx)
{
	static const struct row none;
	struct row *row = bpf_map_lookup_or_try_init(&rows, &none, &none);
	__u64 args[5];

	gadget_syscall_args(args);
	if (row && args[0] && !gadget_should_discard_mntns_id(gadget_get_current_mntns_id()))
		gadget_output_buf(ctx, &events, row, sizeof(*row));
	return 0;
}

SEC("iter/bpf_map_elem")
int walk(struct bpf_iter__bpf_map_elem *ctx)
{
	struct row *row = ctx->value;

	if (row)
		bpf_seq_write(ctx->meta->seq, row, sizeof(*row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
