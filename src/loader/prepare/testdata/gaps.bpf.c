// One of everything that aya 0.14 does not take as it is.
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define CORE __attribute__((preserve_access_index))
#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))
#define __weak __attribute__((weak))
#define MATCHES(t) __builtin_preserve_type_info(*(t *)0, 2)
#define EXISTS(t) __builtin_preserve_type_info(*(t *)0, 0)

struct trace_entry { unsigned short type; unsigned char flags, preempt_count; int pid; } CORE;
struct syscall_trace_enter { struct trace_entry ent; int nr; unsigned long args[]; } CORE;
struct task_struct { int pid; int tgid; } CORE;
struct task_struct___none { int no_such_member; } CORE;
struct list_head___ours { struct list_head *next, *prev; } CORE;
struct list_head___other { struct list_head *next; int strange; } CORE;
struct not_in_any_kernel { int x; } CORE;

struct { __uint(type, 3); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4); __array(values, int(void *)); } calls SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } plain SEC(".maps");

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_BPF __kconfig;
extern char CONFIG_LETTER __kconfig __weak;
extern int CONFIG_HZ __kconfig;
extern int CONFIG_ABSENT __kconfig __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_no_such_function(void) __ksym __weak;
extern const void jiffies_of_test __ksym;

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

SEC("socket1") int sock(void *skb) { return 0; }
SEC("?tracepoint/raw_syscalls/sys_enter") int tracepoint(struct syscall_trace_enter *ctx)
{
	return ctx->args[1] + ctx->args[2];
}
SEC("kprobe/do_exit") int values(void *ctx)
{
	u32 key = 0;
	u64 *slot = bpf_map_lookup_elem(&plain, &key);
	if (!slot) return 0;
	*slot = MATCHES(struct list_head___ours) * 100 + MATCHES(struct list_head___other) * 10 + EXISTS(struct not_in_any_kernel);
	return LINUX_KERNEL_VERSION + CONFIG_BPF + CONFIG_LETTER + CONFIG_HZ + CONFIG_ABSENT;
}
SEC("tp_btf/sched_switch") int symbols(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	if (bpf_no_such_function) bpf_no_such_function();
	return task->tgid + (u64)&jiffies_of_test;
}
SEC("kprobe.multi/x") int unknown(void *ctx) { return 0; }
char _license[] SEC("license") = "GPL";
