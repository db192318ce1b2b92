// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Every kind of member that becomes a field, and every kind that does not, with values that tell them apart.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>


typedef char label_t[8];
typedef struct { __u32 x; } typedefed_struct;
typedef enum { PLAIN = 3 } typedefed_enum;
struct point {
	__s16 x;
	__s16 y;
};
struct opaque {
	void *inside;
	__u32 __skipped;
};

struct event {
	__s8 i8;
	__u8 u8_;
	__s16 i16;
	__u16 u16_;
	__s32 i32;
	__u32 u32_;
	__s64 i64;
	__u64 u64_;
	bool yes;
	bool two;
	float single;
	double twice;
	const volatile __u32 qualified;
	char text[8];
	label_t label;
	char letter;
	__u8 octets[4];
	__s16 shorts[3];
	__u64 words[2];
	bool flags[3];
	float floats[2];
	__u16 grid[2][3];
	char lines[2][2];
	typedefed_enum kind;
	typedefed_enum kinds[2];
	struct point corner;
	struct {
		struct point inner;
		__u32 depth;
	} nested;
	struct {
		__u32 spliced;
		struct {
			__u8 deeper;
		};
	};
	union {
		__u32 number;
		__u8 bytes[4];
	};
	union {
		__u16 half;
		__u32 whole;
	} overlap;
	__u32 low : 3;
	__u32 middle : 13;
	__s32 negative : 7;
	__u32 high : 9;
	__u64 wide : 40;
	bool single_bit : 1;
	struct opaque opaque;
	void *pointer;
	__int128 huge;
	struct point points[2];
	void *pointers[2];
	typedefed_struct hidden_by_typedef;
	__u32 __skipped;
	struct {
		__u32 inside;
	} __skipped_struct;
	__u32 last;
	__u32 none[0];
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
	__u32 one_and_a_half = 0x3fc00000;
	__u64 quarter = 0x3fd0000000000000ULL;

	event->i8 = -1;
	event->u8_ = 255;
	event->i16 = -32768;
	event->u16_ = 65535;
	event->i32 = -2147483647;
	event->u32_ = 4294967295U;
	event->i64 = -9007199254740993LL;
	event->u64_ = 18446744073709551615ULL;
	event->yes = true;
	*(__u8 *)&event->two = 2;
	__builtin_memcpy(&event->single, &one_and_a_half, 4);
	__builtin_memcpy(&event->twice, &quarter, 8);
	*(__u32 *)&event->qualified = 77;
	__builtin_memcpy(event->text, "12345678", 8);
	__builtin_memcpy(event->label, "ab\0cdef", 8);
	event->letter = 65;
	event->octets[0] = 1;
	event->octets[3] = 200;
	event->shorts[0] = -5;
	event->shorts[2] = 5;
	event->words[1] = 1ULL << 63;
	event->flags[1] = true;
	__builtin_memcpy(&event->floats[1], &one_and_a_half, 4);
	event->grid[0][1] = 0x1234;
	event->grid[1][2] = 0xabcd;
	event->lines[1][0] = 65;
	event->kind = PLAIN;
	event->kinds[1] = PLAIN;
	event->corner.x = -3;
	event->corner.y = 4;
	event->nested.inner.y = 6;
	event->nested.depth = 2;
	event->spliced = 11;
	event->deeper = 12;
	event->number = 0x04030201;
	event->overlap.whole = 0x00020001;
	event->low = 5;
	event->middle = 8191;
	event->negative = -2;
	event->high = 511;
	event->wide = 0xfedcba9876ULL;
	event->single_bit = 1;
	event->huge = 1;
	event->points[0].x = 1;
	event->hidden_by_typedef.x = 1;
	event->__skipped = 1;
	event->last = 99;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
