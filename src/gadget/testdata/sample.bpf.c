// A gadget with one of everything that gadget::open reads. Self-contained: no headers.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef __u64 gadget_mntns_id;
typedef __u64 gadget_timestamp;
typedef __u32 gadget_pid;
typedef __u32 gadget_errno;
typedef __u32 gadget_tail;
typedef __u32 gadget_tail_args;
typedef __u32 gadget_counter__u32;
typedef __u32 gadget_histogram_slot__u32;
typedef char gadget_comm;
#define SEC(n) __attribute__((section(n), used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define MARK(name) const void *name __attribute__((unused))

enum color { RED = 1, GREEN = -2 };
enum bits_set { A = 1, B = 2 };
struct gadget_creds { __u32 uid; };
struct gadget_process { gadget_comm comm[16]; gadget_pid pid; gadget_mntns_id mntns_id; struct gadget_creds creds; };
struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	enum color color_raw;
	enum bits_set flags;
	gadget_tail fname_raw;
	gadget_tail_args args_raw;
	union { __u32 v4; u8 v6[16]; };
	struct { u16 inner; } nested;
	u8 hash[4];
	u8 grid[2][3];
	_Bool ok;
	void *ignored;
	__int128 wide;
	int __hidden;
	char none[0];
};
struct key { __u32 dev; char name[8]; };
struct value { gadget_counter__u32 count; gadget_histogram_slot__u32 slots[27]; };

struct { __uint(type, 27); __uint(max_entries, 4096); } events SEC(".maps");
struct { __uint(type, 6); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } events_lost_samples SEC(".maps");
struct { __uint(type, 1); __uint(max_entries, 64); __type(key, struct key); __type(value, struct value); } counts SEC(".maps");

MARK(gadget_tracer_things___events___event);
MARK(gadget_map_tracer_events);
MARK(gadget_mapiter_blocks___counts);
MARK(gadget_iter_procs___gadget_process___walk);
MARK(gadget_param_targ_pid);
MARK(gadget_param_targ_comm);
MARK(gadget_param_threshold);
MARK(gadget_param_verbose);
int gadget_param_decoy;
const volatile gadget_pid targ_pid = 0;
const volatile gadget_comm targ_comm[16] = {};
const volatile int threshold = -7;
const volatile _Bool verbose = 1;
struct event *unused_event __attribute__((unused));

SEC("tracepoint/syscalls/sys_enter_execve") int enter(void *ctx) { return targ_pid + threshold + verbose + targ_comm[1]; }
SEC("?kprobe/do_exit") int leave(void *ctx) { return 0; }
SEC("iter/task") int walk(void *ctx) { return 0; }
char _license[] SEC("license") = "GPL";
