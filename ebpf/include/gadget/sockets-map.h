/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose socket a packet belongs to. The host fills the map (and decides how long `cwd` and `exepath` are: accesses are
 * relocated to its layout). Define GADGET_TYPE_NETWORKING (packets) or GADGET_TYPE_TRACING (sockets) before including.
 */
#ifndef GADGET_SOCKETS_MAP_H
#define GADGET_SOCKETS_MAP_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <gadget/types.h>

#define GADGET_SOCKETS_MAX 16384
#define GADGET_SOCKET_PATH_MAX 4096

#define SE_PACKET_HOST 0
#define SE_AF_INET 2
#define SE_AF_INET6 10
#define SE_IPPROTO_TCP 6
#define SE_IPPROTO_UDP 17
#define SE_ETH_P_IP 0x0800
#define SE_ETH_P_IPV6 0x86dd
#define SE_ETH_HLEN 14
#define SE_ETH_PROTO_OFFSET 12
#define SE_IPV4_PROTO_OFFSET 9
#define SE_IPV6_HLEN 40
#define SE_IPV6_NEXTHDR_OFFSET 6
#define SE_IPV6_EXTENSIONS_MAX 6

/* Padding must be zero: the map compares all bytes. */
struct gadget_socket_key {
	__u32 netns;
	__u16 family;
	__u8 proto; /* SE_IPPROTO_TCP or SE_IPPROTO_UDP */
	__u16 port; /* local, host order */
};

struct gadget_socket_value {
	__u64 mntns;
	__u64 pid_tgid;
	__u64 uid_gid;
	char task[TASK_COMM_LEN];
	char ptask[TASK_COMM_LEN];
	__u64 sock;
	__u64 deletion_timestamp; /* 0 while the socket lives */
	__u32 ppid;
	__u32 ptid;
	char ipv6only;
	__u64 optional_fields_start[0];
	char cwd[GADGET_SOCKET_PATH_MAX];
	char exepath[GADGET_SOCKET_PATH_MAX];
} __attribute__((preserve_access_index));

/* Their former names. */
#define sockets_key gadget_socket_key
#define sockets_value gadget_socket_value

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GADGET_SOCKETS_MAX);
	__type(key, struct gadget_socket_key);
	__type(value, struct gadget_socket_value);
} gadget_sockets SEC(".maps");

/* Fills `process` with the socket's owner; what is not known stays as it is. */
static __always_inline void gadget_process_populate_from_socket(const struct gadget_socket_value *owner,
								 struct gadget_process *process)
{
	if (!owner)
		return;
	__builtin_memcpy(process->comm, owner->task, sizeof(process->comm));
	__builtin_memcpy(process->parent.comm, owner->ptask, sizeof(process->parent.comm));
	process->pid = owner->pid_tgid >> 32;
	process->tid = (__u32)owner->pid_tgid;
	process->mntns_id = owner->mntns;
	process->creds.uid = (__u32)owner->uid_gid;
	process->creds.gid = owner->uid_gid >> 32;
	process->parent.pid = owner->ppid;
	process->parent.tid = owner->ptid;
}

#ifdef GADGET_TYPE_NETWORKING
static __always_inline __u8 gadget_skb_byte_(const struct __sk_buff *skb, __u32 offset)
{
	__u8 byte = 0;

	bpf_skb_load_bytes(skb, offset, &byte, sizeof(byte));
	return byte;
}

/* Steps over IPv6 extension headers; the transport header's offset, or 0 when there is none to be found. */
static __always_inline __u32 gadget_skip_ipv6_(const struct __sk_buff *skb, __u8 *proto)
{
	__u32 offset = SE_ETH_HLEN + SE_IPV6_HLEN;

	*proto = gadget_skb_byte_(skb, SE_ETH_HLEN + SE_IPV6_NEXTHDR_OFFSET);
#pragma unroll
	for (int i = 0; i < SE_IPV6_EXTENSIONS_MAX; i++) {
		__u8 length = gadget_skb_byte_(skb, offset + 1);
		__u8 next = gadget_skb_byte_(skb, offset);

		switch (*proto) {
		case 0: /* hop by hop */
		case 43: /* routing */
		case 60: /* destination options */
			offset += 8 * (length + 1);
			break;
		case 44: /* fragment */
			offset += 8;
			break;
		case 51: /* authentication */
			offset += 4 * (length + 2);
			break;
		default:
			return offset;
		}
		*proto = next;
	}
	return 0;
}

/* The owner of the socket that sent or is to receive the packet. skb->cb[0] holds the network namespace. */
static __always_inline struct gadget_socket_value *gadget_socket_lookup(const struct __sk_buff *skb)
{
	struct gadget_socket_value *owner;
	struct gadget_socket_key key = {};
	__u16 ethertype = 0, port = 0;
	__u32 offset;

	bpf_skb_load_bytes(skb, SE_ETH_PROTO_OFFSET, &ethertype, sizeof(ethertype));
	key.netns = skb->cb[0];
	if (ethertype == bpf_htons(SE_ETH_P_IP)) {
		key.family = SE_AF_INET;
		key.proto = gadget_skb_byte_(skb, SE_ETH_HLEN + SE_IPV4_PROTO_OFFSET);
		offset = SE_ETH_HLEN + (gadget_skb_byte_(skb, SE_ETH_HLEN) & 0xf) * 4;
	} else if (ethertype == bpf_htons(SE_ETH_P_IPV6)) {
		key.family = SE_AF_INET6;
		offset = gadget_skip_ipv6_(skb, &key.proto);
	} else {
		return NULL;
	}
	if (!offset || (key.proto != SE_IPPROTO_TCP && key.proto != SE_IPPROTO_UDP))
		return NULL;
	/* Both headers begin with the source port, then the destination's; the local one is ours. */
	if (bpf_skb_load_bytes(skb, offset + (skb->pkt_type == SE_PACKET_HOST ? 2 : 0), &port, sizeof(port)))
		return NULL;
	key.port = bpf_ntohs(port);
	owner = bpf_map_lookup_elem(&gadget_sockets, &key);
	if (owner || key.family != SE_AF_INET)
		return owner;
	/* An IPv6 socket may serve IPv4 as well. */
	key.family = SE_AF_INET6;
	owner = bpf_map_lookup_elem(&gadget_sockets, &key);
	return owner && !owner->ipv6only ? owner : NULL;
}
#endif

#ifdef GADGET_TYPE_TRACING
/* The owner of a socket of network namespace `netns`. */
static __always_inline struct gadget_socket_value *gadget_socket_lookup(const struct sock *sk, __u32 netns)
{
	struct gadget_socket_key key = {};

	key.netns = netns;
	key.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	key.proto = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	if (key.proto != SE_IPPROTO_TCP && key.proto != SE_IPPROTO_UDP)
		return NULL;
	key.port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	return bpf_map_lookup_elem(&gadget_sockets, &key);
}
#endif

#endif
