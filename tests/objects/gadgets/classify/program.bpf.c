// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Traffic control programs for both directions: each reports the datagrams to one port, and lets them pass. */
#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define TC_ACT_UNSPEC (-1)
#define IPV4_UDP_PORT (14 + 20 + 2)

enum direction { ingress, egress };

struct event {
	gadget_netns_id netns_id;
	__u16 port;
	enum direction direction_raw;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(packets, events, event);

const volatile __u16 port = 0;
GADGET_PARAM(port);

static __always_inline int report(struct __sk_buff *skb, enum direction direction)
{
	__u16 to;

	if (bpf_skb_load_bytes(skb, IPV4_UDP_PORT, &to, sizeof(to)) || bpf_ntohs(to) != port)
		return TC_ACT_UNSPEC;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return TC_ACT_UNSPEC;
	event->netns_id = skb->cb[0];
	event->port = port;
	event->direction_raw = direction;
	gadget_submit_buf(skb, &events, event, sizeof(*event));
	return TC_ACT_UNSPEC;
}

SEC("classifier/ingress/datagrams")
int incoming(struct __sk_buff *skb)
{
	return report(skb, ingress);
}

SEC("classifier/egress/datagrams")
int outgoing(struct __sk_buff *skb)
{
	return report(skb, egress);
}

char LICENSE[] SEC("license") = "GPL";
