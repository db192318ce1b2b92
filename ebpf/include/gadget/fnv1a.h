/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* FNV-1a, 32 bits, over 64-bit words from their lowest byte on. */
#ifndef GADGET_FNV1A_H
#define GADGET_FNV1A_H

#define FNV1A_32_INIT 0x811c9dc5u
#define FNV1A_32_PRIME 0x01000193u

static __always_inline __u32 fnv1a_32_u64(__u32 hash, __u64 word)
{
#pragma unroll
	for (int i = 0; i < 8; i++) {
		hash = (hash ^ (word & 0xff)) * FNV1A_32_PRIME;
		word >>= 8;
	}
	return hash;
}

#endif
