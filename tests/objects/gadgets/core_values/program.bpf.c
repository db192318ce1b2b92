// Values that are in the object or put into it: kernel configuration, all kinds of data sections, initial values.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig __weak;
extern bool CONFIG_BPF __kconfig __weak;
extern enum libbpf_tristate CONFIG_BPF_SYSCALL __kconfig __weak;
extern char CONFIG_NET __kconfig __weak;
extern int CONFIG_HZ __kconfig __weak;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig __weak;
extern unsigned long long CONFIG_GADGETRY_ABSENT __kconfig __weak;

struct event {
	__u32 version;
	__u32 hz;
	__u32 syscall_tristate;
	__u8 bpf;
	__u8 net_letter;
	__u8 wrapper;
	__u8 cookie;
	__u64 absent;
	char hostname[16];
	char text[16];
	__u32 initial;
	__u32 custom;
	__u32 constant;
	__u32 custom_constant;
	__u32 zero;
	__u32 table;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(values, events, event);

volatile __u32 first_value = 42;
volatile __u32 custom SEC(".data.custom") = 43;
const volatile __u32 constant = 44;
const volatile __u32 custom_constant SEC(".rodata.custom") = 45;
volatile __u32 zero;
volatile __u32 pad SEC(".bss.custom");
static const __u32 table[] = { 1, 10, 100, 1000 };
volatile __u32 which = 2;

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(void *ctx)
{
	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->version = LINUX_KERNEL_VERSION;
	event->hz = CONFIG_HZ;
	event->syscall_tristate = CONFIG_BPF_SYSCALL;
	event->bpf = CONFIG_BPF;
	event->net_letter = CONFIG_NET;
	event->wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	event->cookie = LINUX_HAS_BPF_COOKIE;
	event->absent = CONFIG_GADGETRY_ABSENT;
	for (int i = 0; i < sizeof(event->hostname); i++)
		event->hostname[i] = CONFIG_DEFAULT_HOSTNAME[i];
	bpf_probe_read_kernel_str(event->text, sizeof(event->text), "a literal");
	event->initial = first_value++;
	event->custom = custom;
	event->constant = constant;
	event->custom_constant = custom_constant;
	event->zero = zero + pad;
	event->table = table[which & 3];
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}
