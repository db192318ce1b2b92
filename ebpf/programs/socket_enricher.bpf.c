// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Fills `gadget_sockets`: which process a socket belongs to. The host loads one of two sets of programs beside the common ones:
 * trampolines on kernel functions, or, where those are refused, hooks of the root cgroup at the same places. README.md has the table.
 *
 * A socket that loses its port keeps its entry for a while, since packets of it are still on their way.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <gadget/filesystem.h>
#include <gadget/sockets-map.h>

#define GRACE_NS (5ULL * 1000 * 1000 * 1000)
#define PROTO_MPTCP 262
#define SOCKFS 0x534f434b
#define STATE_CLOSE 7
#define STATE_LISTEN 10
/* In sk_userlocks: the port was asked for, so the socket keeps it until its end. */
#define PORT_IS_LOCKED 8
/* Where in the path buffer its user leaves a mark; path walks use only the beginning and the very end. */
#define MARK_AT (MAX_PERCPU_BUFSIZE / 2)

/* An entry of zeros, which new ones start as: too large for the stack. The host makes it as long as its values are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gadget_socket_value);
} blank SEC(".maps");

/* The key under which a socket was entered: it may have no port any more when it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GADGET_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, struct gadget_socket_key);
} entered SEC(".maps");

/* False for sockets without a port, of other families and protocols, and of the kernel itself. */
static __always_inline bool key_of(const struct sock *sk, struct gadget_socket_key *key)
{
	__u32 proto = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);

	key->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	key->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	/* Packets of multipath TCP are TCP. */
	key->proto = proto == PROTO_MPTCP ? SE_IPPROTO_TCP : proto;
	key->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (proto != SE_IPPROTO_TCP && proto != SE_IPPROTO_UDP && proto != PROTO_MPTCP)
		return false;
	if (key->family != SE_AF_INET && key->family != SE_AF_INET6)
		return false;
	return key->port && !BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/*
 * Writes a path, or nothing. The buffer it is put together in belongs to the CPU: whoever gets in between leaves another mark.
 */
static __always_inline void put_path(char *to, __u32 size, const struct path *path)
{
	__u64 mark = bpf_ktime_get_ns();
	volatile __u64 *found;
	__u32 length;
	buf_t *buffer = get_buf(STRING_BUF_IDX);
	char *text;

	if (!buffer)
		return;
	found = (volatile __u64 *)&buffer->buf[MARK_AT];
	*found = mark;
	text = gadget_path_text(path, &length);
	if (!text)
		return;
	bpf_probe_read_kernel_str(to, size, text);
	if (*found != mark) {
		/* Without this the store becomes one of the whole member, whose length is not known here. */
		barrier_var(to);
		*to = 0;
	}
}

static __always_inline void put_paths(struct gadget_socket_value *value, struct task_struct *task)
{
	if (bpf_core_field_exists(value->cwd)) {
		struct fs_struct *fs = BPF_CORE_READ(task, fs);

		value->cwd[0] = 0;
		if (fs)
			put_path(value->cwd, bpf_core_field_size(value->cwd), &fs->pwd);
	}
	if (bpf_core_field_exists(value->exepath)) {
		struct file *file = BPF_CORE_READ(task, mm, exe_file);

		value->exepath[0] = 0;
		if (file)
			put_path(value->exepath, bpf_core_field_size(value->exepath), &file->f_path);
	}
}

static __always_inline void fill(struct gadget_socket_value *value, const struct sock *sk, struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	const struct cred *cred = BPF_CORE_READ(task, cred);

	value->sock = (__u64)sk;
	value->mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	value->pid_tgid = (__u64)BPF_CORE_READ(task, tgid) << 32 | (__u32)BPF_CORE_READ(task, pid);
	value->uid_gid = (__u64)BPF_CORE_READ(cred, gid.val) << 32 | BPF_CORE_READ(cred, uid.val);
	BPF_CORE_READ_INTO(&value->task, task, comm);
	BPF_CORE_READ_INTO(&value->ptask, parent, comm);
	value->ppid = BPF_CORE_READ(parent, tgid);
	value->ptid = BPF_CORE_READ(parent, pid);
	value->ipv6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	put_paths(value, task);
	/* Last, because it brings back to life what another socket has left. */
	value->deletion_timestamp = 0;
}

static __always_inline void mark_deleted(const struct gadget_socket_key *key, __u64 sk)
{
	struct gadget_socket_value *value = bpf_map_lookup_elem(&gadget_sockets, key);

	if (value && value->sock == sk && !value->deletion_timestamp)
		value->deletion_timestamp = bpf_ktime_get_ns();
}

/* Notes under which key the socket is, and that it is no longer under another. */
static __always_inline void note(__u64 sk, const struct gadget_socket_key *key)
{
	struct gadget_socket_key *known = bpf_map_lookup_elem(&entered, &sk);

	if (known && (known->port != key->port || known->netns != key->netns || known->family != key->family)) {
		struct gadget_socket_key before = *known;

		mark_deleted(&before, sk);
	}
	bpf_map_update_elem(&entered, &sk, key, BPF_ANY);
}

/* Enters a socket unless its port has a live entry; `replace`: even then. */
static __always_inline void enter(const struct sock *sk, struct task_struct *task, bool replace)
{
	struct gadget_socket_value *value;
	struct gadget_socket_key key = {};
	__u32 zero = 0;

	if (!key_of(sk, &key))
		return;
	value = bpf_map_lookup_elem(&gadget_sockets, &key);
	if (value && !value->deletion_timestamp && !replace)
		return;
	if (!value) {
		void *nothing = bpf_map_lookup_elem(&blank, &zero);

		if (!nothing || bpf_map_update_elem(&gadget_sockets, &key, nothing, BPF_NOEXIST))
			return;
		value = bpf_map_lookup_elem(&gadget_sockets, &key);
		if (!value)
			return;
	}
	fill(value, sk, task);
	note((__u64)sk, &key);
}

static __always_inline void enter_current(const struct sock *sk)
{
	__u64 id = (__u64)sk;
	struct gadget_socket_key *known = bpf_map_lookup_elem(&entered, &id);

	/* What nearly every datagram comes to: its socket is known already. */
	if (known && known->port == BPF_CORE_READ(sk, __sk_common.skc_num))
		return;
	enter(sk, (struct task_struct *)bpf_get_current_task(), false);
}

/* The socket gives its port back. */
static __always_inline void leave(const struct sock *sk)
{
	__u64 id = (__u64)sk;
	struct gadget_socket_key *known = bpf_map_lookup_elem(&entered, &id);
	struct gadget_socket_key key = {};

	if (known) {
		key = *known;
		bpf_map_delete_elem(&entered, &id);
	} else if (!key_of(sk, &key)) {
		return;
	}
	mark_deleted(&key, id);
}

/* Common: listeners of multipath TCP, which has functions of its own, and connections that end before their socket is closed. */
SEC("raw_tracepoint/inet_sock_set_state")
int state_changed(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int state = ctx->args[2];
	__u64 id = (__u64)sk;

	if (state == STATE_LISTEN)
		enter_current(sk);
	else if (state == STATE_CLOSE && bpf_map_lookup_elem(&entered, &id) &&
		 !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & PORT_IS_LOCKED))
		leave(sk);
	return 0;
}

/* Common: sockets that were open before. A listener says best whose port it is. */
SEC("iter/task_file")
int import_open(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != SOCKFS)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (sk)
		enter(sk, task, BPF_CORE_READ(sk, __sk_common.skc_state) == STATE_LISTEN);
	return 0;
}

/* Common: read every other second. */
SEC("iter/bpf_map_elem")
int remove_deleted(struct bpf_iter__bpf_map_elem *ctx)
{
	struct gadget_socket_key *found = ctx->key;
	struct gadget_socket_value *value = ctx->value;
	struct gadget_socket_key key;

	if (!found || !value)
		return 0;
	key = *found;
	if (value->deletion_timestamp && value->deletion_timestamp + GRACE_NS < bpf_ktime_get_ns())
		bpf_map_delete_elem(&gadget_sockets, &key);
	return 0;
}

/* Trampolines. */

SEC("fexit/inet_bind")
int BPF_PROG(bound4, struct socket *socket, void *address, int length, int result)
{
	if (!result)
		enter_current(BPF_CORE_READ(socket, sk));
	return 0;
}

SEC("fexit/inet6_bind")
int BPF_PROG(bound6, struct socket *socket, void *address, int length, int result)
{
	if (!result)
		enter_current(BPF_CORE_READ(socket, sk));
	return 0;
}

/* Who listens without having bound has a port now. */
SEC("fexit/inet_listen")
int BPF_PROG(listening, struct socket *socket)
{
	enter_current(BPF_CORE_READ(socket, sk));
	return 0;
}

SEC("fentry/tcp_connect")
int BPF_PROG(connecting, struct sock *sk)
{
	enter_current(sk);
	return 0;
}

SEC("fentry/udp_sendmsg")
int BPF_PROG(sending4, struct sock *sk)
{
	enter_current(sk);
	return 0;
}

SEC("fentry/udpv6_sendmsg")
int BPF_PROG(sending6, struct sock *sk)
{
	enter_current(sk);
	return 0;
}

SEC("fentry/inet_release")
int BPF_PROG(releasing, struct socket *socket)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);

	if (sk)
		leave(sk);
	return 0;
}

/* Hooks of the root cgroup. What looks like a bpf_sock is the kernel's own struct sock: only accesses are translated. All let pass. */

/* The verifier wants nothing but its own translations of a socket it knows, so it must forget that this is one. */
static __always_inline const struct sock *plain(const struct bpf_sock *sk)
{
	const struct sock *address = NULL;

	bpf_probe_read_kernel(&address, sizeof(address), &sk);
	return address;
}

SEC("cgroup/post_bind4")
int cgroup_bound4(struct bpf_sock *ctx)
{
	enter_current(plain(ctx));
	return 1;
}

SEC("cgroup/post_bind6")
int cgroup_bound6(struct bpf_sock *ctx)
{
	enter_current(plain(ctx));
	return 1;
}

SEC("cgroup/sock_release")
int cgroup_releasing(struct bpf_sock *ctx)
{
	leave(plain(ctx));
	return 1;
}

SEC("sockops")
int cgroup_tcp(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB && ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	sk = ctx->sk;
	if (sk)
		enter_current(plain(sk));
	return 1;
}

/* Packets on their way out, still in their sender's context. By now a datagram's socket has its port. */
SEC("cgroup_skb/egress")
int cgroup_sending(struct __sk_buff *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (sk && sk->protocol == SE_IPPROTO_UDP)
		enter_current(plain(sk));
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
