// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Fills its ring with records of one size whenever the benchmark's process calls getpgid(2).
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/tail.h>
#include <gadget/types.h>

#define RECORDS 4096
#define LONGEST 1024

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	__u32 fd;
	gadget_file_flags flags_raw;
	gadget_file_mode mode_raw;
	gadget_tail fname_raw;
	__u32 sequence;
};

GADGET_TRACER_MAP(events, 1024 * 1024 * 8);
GADGET_TRACER(synthetic, events, event);

const volatile __u32 bench_pid = 0;
const volatile __u32 record_size = 128;
GADGET_PARAM(bench_pid);
GADGET_PARAM(record_size);

struct scratch {
	struct event event;
	char tail[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int fill(void *ctx)
{
	__u32 zero = 0, size = record_size;
	struct scratch *s;

	if (bpf_get_current_pid_tgid() >> 32 != bench_pid)
		return 0;
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s || size > sizeof(*s) || size < sizeof(s->event) + 8)
		return 0;
	s->event.timestamp_raw = 1000000000;
	__builtin_memcpy(s->event.proc.comm, "synthetic", 10);
	__builtin_memcpy(s->event.proc.parent.comm, "bench", 6);
	s->event.proc.pid = s->event.proc.tid = bench_pid;
	s->event.proc.parent.pid = 1;
	s->event.proc.mntns_id = 4026539999;
	s->event.error_raw = 2;
	s->event.flags_raw = 02100000;
	__builtin_memcpy(s->tail, "/usr/lib", 8);
	for (__u32 i = 8; i < LONGEST; i++)
		s->tail[i] = 'a' + (i & 15);
	s->event.fname_raw = (size - sizeof(s->event)) << 16 | sizeof(s->event);
	for (__u32 i = 0; i < RECORDS; i++) {
		s->event.sequence = i;
		bpf_ringbuf_output(&events, s, size, BPF_RB_NO_WAKEUP);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
