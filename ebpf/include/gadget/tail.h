/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Records as long as their content (an addition of gadgetry). A member `x_raw` of type gadget_tail says where in
 * the same record, behind the struct, the text of field `x` stands: length in the upper half, offset from the
 * start of the record in the lower half. The length counts no closing NUL, and none needs to be stored.
 */
#ifndef GADGET_TAIL_H
#define GADGET_TAIL_H

typedef __u32 gadget_tail;      /* one string */
typedef __u32 gadget_tail_args; /* strings parted by NUL, shown with blanks in between */

#define GADGET_TAIL(offset, length) (((__u32)(length) << 16) | ((__u32)(offset) & 0xffff))

#endif
