// Every declaration as a tag instead of a name: a tracer, parameters, a map that is read, iterators and the map one walks over.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/types.h>

#define TAG(text) __attribute__((btf_decl_tag("ig:" text)))
#define SAY(name, text) const int name __attribute__((unused)) TAG(text) = 0

struct event {
	gadget_pid pid;
	__u32 count;
};

struct thread_key {
	gadget_tid tid;
};

struct thread_calls {
	__u64 calls;
};

struct task_entry {
	gadget_pid pid;
	gadget_tid tid;
};

struct element {
	gadget_tid tid;
	__u32 calls;
};

/* Keep the types of records. */
const struct event *keep_event __attribute__((unused));
const struct task_entry *keep_task __attribute__((unused)) TAG("iter_type:tasks___task_entry");
const struct element *keep_element __attribute__((unused)) TAG("iter_type:elements___element");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events TAG("tracer_map") SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct thread_key);
	__type(value, struct thread_calls);
} counts SEC(".maps");

/* What walks over elements leaves them in the map. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct thread_key);
	__type(value, struct thread_calls);
} kept TAG("only_if:params.thread != 0") SEC(".maps");

SAY(say_tracer, "tracer:calls___events___event");
SAY(say_thread, "param:thread");
SAY(say_count, "mapiter:counts___counts");
SAY(say_target, "iter_target_map:walk___kept");
SAY(say_sense, "assert:positive:params.thread >= 0");
SAY(say_later, "something_of_the_future:x");

const volatile __u32 thread = 0;
__u32 calls_so_far = 0;

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	struct thread_key key = { .tid = bpf_get_current_pid_tgid() };
	struct thread_calls one = { .calls = ++calls_so_far };
	struct event event = { .pid = bpf_get_current_pid_tgid() >> 32, .count = one.calls };

	if (key.tid != thread)
		return 0;
	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	bpf_map_update_elem(&kept, &key, &one, BPF_ANY);
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	return 0;
}

TAG("iter:tasks")
int walk_tasks(struct bpf_iter__task *ctx);

SEC("iter/task")
int walk_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_entry entry = {};

	if (!task || task->pid != thread)
		return 0;
	entry.pid = task->tgid;
	entry.tid = task->pid;
	bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}

SEC("iter/bpf_map_elem")
TAG("iter:elements")
int walk(struct bpf_iter__bpf_map_elem *ctx)
{
	struct thread_key *key = ctx->key;
	struct thread_calls *value = ctx->value;
	struct element element = {};

	if (!key || !value)
		return 0;
	element.tid = key->tid;
	element.calls = value->calls;
	bpf_seq_write(ctx->meta->seq, &element, sizeof(element));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
