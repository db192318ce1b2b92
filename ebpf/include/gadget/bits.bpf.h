/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Integer logarithms to base two, for histogram slots. */
#ifndef GADGET_BITS_H
#define GADGET_BITS_H

/* Position of the highest set bit; 0 for 0. Halves the width five times instead of looping. */
static __always_inline __u64 log2(__u32 value)
{
	__u32 result = 0;

#pragma unroll
	for (__u32 width = 16; width; width /= 2) {
		__u32 big = value >= (1u << width) ? width : 0;

		value >>= big;
		result += big;
	}
	return result;
}

static __always_inline __u64 log2l(__u64 value)
{
	__u32 high = value >> 32;

	return high ? log2(high) + 32 : log2((__u32)value);
}

/* Slot that keeps 0 apart from 1: 0 for 0, else the logarithm plus one. */
static __always_inline __u64 get_slot_idx(__u64 value)
{
	return value ? log2l(value) + 1 : 0;
}

#endif
