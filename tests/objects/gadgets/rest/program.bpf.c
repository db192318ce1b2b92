// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Records that are longer and shorter than their struct: three sources of the same struct, told apart by their metadata.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u32 length;
	__u32 numbers[2];
	char text[4];
};

struct record {
	struct event event;
	__u8 more[8];
};

GADGET_TRACER_MAP(limited_events, 1024 * 256);
GADGET_TRACER(limited, limited_events, event);
GADGET_TRACER_MAP(open_events, 1024 * 256);
GADGET_TRACER(open, open_events, event);
GADGET_TRACER_MAP(plain_events, 1024 * 256);
GADGET_TRACER(plain, plain_events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct record record = {
		.event = { .length = 3, .numbers = { 1, 2 }, .text = "abc" },
		.more = { 0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8 },
	};

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	gadget_output_buf(ctx, &limited_events, &record, sizeof(record));
	gadget_output_buf(ctx, &open_events, &record, sizeof(record));
	gadget_output_buf(ctx, &plain_events, &record, sizeof(record));
	record.event.length = 100;
	gadget_output_buf(ctx, &limited_events, &record, sizeof(record));
	gadget_output_buf(ctx, &limited_events, &record, 8);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
