// Connections put into a map, and what is sent and received through them.
#include "../shared/hits.h"

const volatile __u16 port = 0;
GADGET_PARAM(port);

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} connections SEC(".maps");

GADGET_SK_TARGET_MAP(sent, connections);
GADGET_SK_TARGET_MAP(parse, connections);
GADGET_SK_TARGET_MAP(received, connections);

SEC("sockops")
int established(struct bpf_sock_ops *ctx)
{
	__u64 key = bpf_get_socket_cookie(ctx);

	if (ctx->local_port != port && bpf_ntohl(ctx->remote_port) != port)
		return 1;
	if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	bpf_sock_hash_update(ctx, &connections, &key, BPF_ANY);
	report(ctx, "sockops", ctx->op);
	return 1;
}

SEC("sk_msg")
int sent(struct sk_msg_md *ctx)
{
	report(ctx, "sk_msg", ctx->size);
	return SK_PASS;
}

SEC("sk_skb/stream_parser")
int parse(struct __sk_buff *ctx)
{
	report(ctx, "stream_parser", ctx->len);
	return ctx->len;
}

SEC("sk_skb/stream_verdict")
int received(struct __sk_buff *ctx)
{
	report(ctx, "stream_verdict", ctx->len);
	return SK_PASS;
}
