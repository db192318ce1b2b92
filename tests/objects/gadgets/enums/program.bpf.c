// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Enums by their names: those of the object, and those of the running kernel over them.
/* Out of the way: the object has enumerators of its own for this enum. */
#define hrtimer_restart vmlinux_hrtimer_restart
#include <vmlinux.h>
#undef hrtimer_restart
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>


enum color { RED = 1, GREEN = -2, BLUE = 1 };
enum bits_set { BIT_NONE = 0, BIT_ONE = 1, BIT_TWO = 2, BIT_BOTH = 3, BIT_FOUR = 4 };
enum tiny { TINY_ZERO, TINY_MAX = 200 } __attribute__((packed));
typedef enum color color_t;
/* The kernel has an enum of this name, in which 1 is called HRTIMER_RESTART. */
enum hrtimer_restart { OBJECT_ZERO, OBJECT_ONE };
enum hrtimer_restart___flavour { FLAVOUR_ZERO, FLAVOUR_ONE };

struct event {
	enum color color_raw;
	enum color unknown_raw;
	enum color other;
	enum color again;
	enum color number;
	enum color narrow_raw : 3;
	enum tiny tiny_raw;
	enum bits_set bits_raw;
	enum bits_set joined_raw;
	enum hrtimer_restart of_kernel_raw;
	enum hrtimer_restart___flavour of_object_raw;
	color_t by_typedef_raw;
	enum color many_raw[2];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(calls, events, event);

const volatile __u32 thread = 0;
GADGET_PARAM(thread);

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if ((__u32)bpf_get_current_pid_tgid() != thread)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->color_raw = GREEN;
	event->unknown_raw = 7;
	event->other = RED;
	event->again = RED;
	event->number = RED;
	event->narrow_raw = RED;
	event->tiny_raw = TINY_MAX;
	event->bits_raw = BIT_BOTH;
	event->joined_raw = BIT_ONE | BIT_FOUR;
	event->of_kernel_raw = OBJECT_ONE;
	event->of_object_raw = FLAVOUR_ONE;
	event->by_typedef_raw = RED;
	event->many_raw[1] = RED;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
