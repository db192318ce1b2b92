// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Endpoints and enums in the key of a map.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum way { IN, OUT };

struct flow {
	struct gadget_l4endpoint_t peer;
	enum way way_raw;
	__u8 odd;
};

struct sums {
	gadget_bytes sent_raw;
	__u32 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow);
	__type(value, struct sums);
} traffic SEC(".maps");
GADGET_MAPITER(flows, traffic);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct flow key;
	struct sums value = { .sent_raw = 2500, .calls = 1 };

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.peer.addr_raw.v4 = 0x0100007f;
	key.peer.port = 80;
	key.peer.proto_raw = 17;
	key.peer.version = 4;
	key.way_raw = OUT;
	key.odd = 3;
	bpf_map_update_elem(&traffic, &key, &value, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
