// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Socket filters in every form of their section, two of them in the same one: each reports the datagrams to one port that are sent. */
#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define OUTGOING 4
#define IPV4_UDP_PORT (14 + 20 + 2)

struct event {
	gadget_netns_id netns_id;
	__u16 port;
	__u8 program;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(packets, events, event);

const volatile __u16 port = 0;
GADGET_PARAM(port);

static __always_inline int report(struct __sk_buff *skb, __u8 program)
{
	__u16 to;

	if (skb->pkt_type != OUTGOING || bpf_skb_load_bytes(skb, IPV4_UDP_PORT, &to, sizeof(to)) || bpf_ntohs(to) != port)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->netns_id = skb->cb[0];
	event->port = port;
	event->program = program;
	gadget_submit_buf(skb, &events, event, sizeof(*event));
	return 0;
}

SEC("socket1")
int first(struct __sk_buff *skb)
{
	return report(skb, 1);
}

SEC("socket1")
int second(struct __sk_buff *skb)
{
	return report(skb, 2);
}

SEC("socket")
int third(struct __sk_buff *skb)
{
	return report(skb, 3);
}

SEC("socket/named")
int fourth(struct __sk_buff *skb)
{
	return report(skb, 4);
}

char LICENSE[] SEC("license") = "GPL";
