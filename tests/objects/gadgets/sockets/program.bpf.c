// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The TCP and UDP sockets there are, of two iterator programs in one data source. */
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct entry {
	gadget_netns_id netns_id;
	__u16 port;
	__u8 protocol;
	__u8 state;
};

GADGET_SNAPSHOTTER(sockets, entry, tcp_sockets, udp_sockets);

static __always_inline int report(struct seq_file *seq, struct sock_common *sock, __u8 protocol)
{
	struct entry entry = {
		.netns_id = BPF_CORE_READ(sock, skc_net.net, ns.inum),
		.port = BPF_CORE_READ(sock, skc_num),
		.protocol = protocol,
		.state = BPF_CORE_READ(sock, skc_state),
	};

	bpf_seq_write(seq, &entry, sizeof(entry));
	return 0;
}

SEC("iter/tcp")
int tcp_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sock = ctx->sk_common;

	return sock ? report(ctx->meta->seq, sock, IPPROTO_TCP) : 0;
}

SEC("iter/udp")
int udp_sockets(struct bpf_iter__udp *ctx)
{
	struct udp_sock *sock = ctx->udp_sk;

	return sock ? report(ctx->meta->seq, &sock->inet.sk.__sk_common, IPPROTO_UDP) : 0;
}

char LICENSE[] SEC("license") = "GPL";
