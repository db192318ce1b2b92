// Packets and connections of any cgroup.
#include "../shared/hits.h"

const volatile __u16 port = 0;
GADGET_PARAM(port);

/* Packets begin with the IP header; UDP's destination port is behind it. */
static __always_inline bool is_ours(struct __sk_buff *ctx)
{
	struct iphdr ip;
	__u16 destination;

	if (bpf_skb_load_bytes(ctx, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.protocol != 17)
		return false;
	if (bpf_skb_load_bytes(ctx, ip.ihl * 4 + 2, &destination, sizeof(destination)))
		return false;
	return bpf_ntohs(destination) == port;
}

SEC("cgroup_skb/ingress")
int incoming(struct __sk_buff *ctx)
{
	if (is_ours(ctx))
		report(ctx, "ingress", ctx->len);
	return 1;
}

SEC("cgroup_skb/egress")
int outgoing(struct __sk_buff *ctx)
{
	if (is_ours(ctx))
		report(ctx, "egress", ctx->len);
	return 1;
}

SEC("cgroup/connect4")
int connecting(struct bpf_sock_addr *ctx)
{
	if (bpf_ntohs(ctx->user_port) == port)
		report(ctx, "connect4", 1);
	return 1;
}

SEC("cgroup/sock_create")
int created(struct bpf_sock *ctx)
{
	/* Told apart from everybody else's sockets by a type that nobody uses. */
	if (ctx->type == 4)
		report(ctx, "sock_create", ctx->protocol);
	return 1;
}
