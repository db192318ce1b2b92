// What is received through connections of a map, without a parser.
#include "../shared/hits.h"

const volatile __u16 port = 0;
GADGET_PARAM(port);

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} connections SEC(".maps");

GADGET_SK_TARGET_MAP(received, connections);

SEC("sockops")
int established(struct bpf_sock_ops *ctx)
{
	__u32 key = 0;

	if (ctx->local_port == port && ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_sock_map_update(ctx, &connections, &key, BPF_ANY);
	return 1;
}

SEC("sk_skb/verdict")
int received(struct __sk_buff *ctx)
{
	report(ctx, "verdict", ctx->len);
	return SK_PASS;
}
