/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Markers: globals that nobody reads. The host finds them by their BTF name and takes the rest of the name,
 * split at "___", as the statement (which map feeds which data source, which variable is a parameter, ...).
 */
#ifndef GADGET_MACROS_H
#define GADGET_MACROS_H

/* One marker: a global pointer to const void, which is what the host insists on. */
#define GADGET_MARKER_(name) const void *name __attribute__((unused))

/* A global that keeps the BTF of an otherwise unused struct in the object. */
#define GADGET_KEEP_TYPE_(name, type) const struct type *name __attribute__((unused))

/* GADGET_TRACER: data source `name` whose records of type `struct event` come through ring or perf map `map`. */
#define GADGET_TRACER(name, map, event)                              \
	GADGET_MARKER_(gadget_tracer_##name##___##map##___##event); \
	GADGET_KEEP_TYPE_(__gadget_tracer_type_##name, event);

/* GADGET_PARAM: `const volatile` variable `name` may be set by the user. */
#define GADGET_PARAM(name) GADGET_MARKER_(gadget_param_##name);

/* GADGET_MAPITER: hash map `map` is read and emptied at an interval into data source `name`. */
#define GADGET_MAPITER(name, map) GADGET_MARKER_(gadget_mapiter_##name##___##map);

/* GADGET_ITER_TARGET_MAP: the map that `iter/bpf_map_elem` program `prog` walks. */
#define GADGET_ITER_TARGET_MAP(prog, map) GADGET_MARKER_(gadget_mapelem_iter_target_##prog##___##map);

/* GADGET_SK_TARGET_MAP: the sockmap that sk_skb or sk_msg program `prog` is attached to. */
#define GADGET_SK_TARGET_MAP(prog, map) GADGET_MARKER_(gadget_sk_prog_target_##prog##___##map);

/* GADGET_ITER: data source `name` made of the `struct type` records that one to three iterator programs write. */
#define GADGET_ITER(name, type, ...)                           \
	GADGET_KEEP_TYPE_(unusedevent_##name##___##type, type); \
	GADGET_ITER_PICK_(__VA_ARGS__, 3, 2, 1)(name, type, __VA_ARGS__)
#define GADGET_SNAPSHOTTER(name, type, ...) GADGET_ITER(name, type, __VA_ARGS__)

#define GADGET_ITER_PICK_(a, b, c, count, ...) GADGET_ITER_##count##_
#define GADGET_ITER_1_(name, type, a) GADGET_MARKER_(gadget_iter_##name##___##type##___##a);
#define GADGET_ITER_2_(name, type, a, b) GADGET_MARKER_(gadget_iter_##name##___##type##___##a##___##b);
#define GADGET_ITER_3_(name, type, a, b, c) GADGET_MARKER_(gadget_iter_##name##___##type##___##a##___##b##___##c);

#endif
