// Code and maps that need more than relocation.
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define CORE __attribute__((preserve_access_index))

static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_tail_call)(void *ctx, void *map, u32 index) = (void *)12;

struct inner { __uint(type, 2); __uint(max_entries, 1); __type(key, u32); __type(value, u64); };
struct inner first SEC(".maps"), second SEC(".maps");

struct { __uint(type, 12); __uint(max_entries, 2); __type(key, u32); __array(values, struct inner); } outer SEC(".maps") = {
	.values = { &first, &second },
};

int target(void *ctx);
struct { __uint(type, 3); __uint(max_entries, 8); __uint(key_size, 4); __array(values, int(void *)); } calls SEC(".maps") = {
	.values = { [5] = &target },
};

// 32 bits here, 64 in the kernel of the test.
enum wide { WIDE_ONE = 1 };
enum nowhere { NOWHERE = 3 };
struct driver { int count; } CORE;
extern int drive(int) __attribute__((section(".ksyms")));

__attribute__((visibility("hidden"), noinline)) int hidden(void *into) { *(u32 *)into = 7; return 0; }

SEC("kprobe/x") int target(void *ctx) { return bpf_ktime_get_boot_ns() + bpf_ktime_get_boot_ns(); }

SEC("kprobe/y") int enter(void *ctx)
{
	u32 at;
	hidden(&at);
	bpf_tail_call(ctx, &calls, at);
	bpf_tail_call(ctx, &outer, at);
	return at + drive(3);
}

SEC("kprobe/z") u64 ask(struct driver *driver)
{
	return __builtin_preserve_enum_value(*(enum wide *)WIDE_ONE, 1) + __builtin_preserve_enum_value(*(enum nowhere *)NOWHERE, 0) * 16;
}

SEC("kprobe/w") u64 missing(struct driver *driver) { return __builtin_preserve_enum_value(*(enum nowhere *)NOWHERE, 1); }

SEC("kprobe/v") int module(struct driver *driver) { return driver->count; }
char _license[] SEC("license") = "GPL";
