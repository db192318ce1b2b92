// Every kind of parameter, echoed in an event: one event per getppid of one thread.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum color { RED, GREEN, BLUE };

struct event {
	__s8 i8;
	__s16 i16;
	__s32 i32;
	__s64 i64;
	__u8 un8;
	__u16 un16;
	__u32 un32;
	__u64 un64;
	bool on;
	bool off;
	__u8 letter;
	char text[8];
	char alias[16];
	__u32 half;      /* bits of the float */
	__u64 quarter;   /* bits of the double */
	struct gadget_l3endpoint_t address;
	enum color color_raw;
	gadget_pid pid;
	gadget_uid uid;
	gadget_comm comm[TASK_COMM_LEN];
	bool stacks;
	__u32 elsewhere;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(echo, events, event);

typedef char name_t;

const volatile __s8 i8 = -8;
const volatile __s16 i16 = -16;
const volatile __s32 i32 = -32;
const volatile __s64 i64 = -64;
const volatile __u8 un8 = 8;
const volatile __u16 un16 = 16;
const volatile __u32 un32 = 32;
const volatile __u64 un64 = 0xffffffffffffffff;
const volatile bool on = true;
const volatile bool off = false;
const volatile char letter = 'a';
const volatile char text[8] = "initial";
const volatile name_t alias[16] = "";
const volatile float half = 0.5;
const volatile double quarter = 0.25;
const volatile struct gadget_l3endpoint_t address = {};
const volatile enum color color = GREEN;
const volatile gadget_pid targ_pid = 0;
const volatile gadget_uid targ_uid = -1;
const volatile gadget_comm targ_comm[TASK_COMM_LEN] = "";
const volatile bool collect_ustack = false;
/* A section of its own, whose variables are parameters as well. */
const volatile __u32 elsewhere SEC(".rodata.elsewhere") = 7;
const volatile __u32 thread = 0;

GADGET_PARAM(i8);
GADGET_PARAM(i16);
GADGET_PARAM(i32);
GADGET_PARAM(i64);
GADGET_PARAM(un8);
GADGET_PARAM(un16);
GADGET_PARAM(un32);
GADGET_PARAM(un64);
GADGET_PARAM(on);
GADGET_PARAM(off);
GADGET_PARAM(letter);
GADGET_PARAM(text);
GADGET_PARAM(alias);
GADGET_PARAM(half);
GADGET_PARAM(quarter);
GADGET_PARAM(address);
GADGET_PARAM(color);
GADGET_PARAM(targ_pid);
GADGET_PARAM(targ_uid);
GADGET_PARAM(targ_comm);
GADGET_PARAM(collect_ustack);
GADGET_PARAM(elsewhere);
GADGET_PARAM(thread);

/* A copy byte by byte: the variables are volatile. */
static __always_inline void copy(void *to, const volatile void *from, int size)
{
	for (int i = 0; i < size; i++)
		((char *)to)[i] = ((const volatile char *)from)[i];
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->i8 = i8;
	event->i16 = i16;
	event->i32 = i32;
	event->i64 = i64;
	event->un8 = un8;
	event->un16 = un16;
	event->un32 = un32;
	event->un64 = un64;
	event->on = on;
	event->off = off;
	event->letter = letter;
	copy(event->text, text, sizeof(event->text));
	copy(event->alias, alias, sizeof(event->alias));
	copy(&event->half, &half, sizeof(event->half));
	copy(&event->quarter, &quarter, sizeof(event->quarter));
	copy(&event->address, &address, 17);
	event->color_raw = color;
	event->pid = targ_pid;
	event->uid = targ_uid;
	copy(event->comm, targ_comm, sizeof(event->comm));
	event->stacks = collect_ustack;
	event->elsewhere = elsewhere;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
