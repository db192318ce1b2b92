/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Full paths from kernel structures. bpf_d_path() is barred to most programs, so the dentries are walked from the leaf
 * to the root and the text is written from its end towards its beginning.
 */
#ifndef GADGET_FILESYSTEM_H
#define GADGET_FILESYSTEM_H

#include <gadget/task.h>

#define GADGET_PATH_MAX 512
#define MAX_PERCPU_BUFSIZE (1 << 15)
#define MAX_PATH_COMPONENTS 80

/* Text longer than this loses its beginning, not its end. */
#define GADGET_PATH_TEXT_MAX 4096
#define GADGET_PATH_NAME_MAX 255

enum buf_idx_e { STRING_BUF_IDX, MAX_BUFFERS };

typedef struct simple_buf {
	__u8 buf[MAX_PERCPU_BUFSIZE];
} buf_t;

/*
 * Where the text begins is kept in the buffer's last bytes, not in a register: the verifier knows nothing about memory
 * of a map, so all ways through the loop look the same to it and are checked once.
 */
#define GADGET_PATH_BEGIN_(text) (*(volatile __u32 *)&(text)->buf[MAX_PERCPU_BUFSIZE - sizeof(__u32)])

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_BUFFERS);
	__type(key, __u32);
	__type(value, buf_t);
} bufs SEC(".maps");

static __always_inline buf_t *get_buf(int index)
{
	return bpf_map_lookup_elem(&bufs, &index);
}

static __always_inline struct mount *real_mount(struct vfsmount *mount)
{
	return (struct mount *)((char *)mount - bpf_core_field_offset(struct mount, mnt));
}

static __always_inline struct dentry *get_mnt_root_ptr_from_vfsmnt(struct vfsmount *mount)
{
	return BPF_CORE_READ(mount, mnt_root);
}

static __always_inline struct dentry *get_d_parent_ptr_from_dentry(struct dentry *dentry)
{
	return BPF_CORE_READ(dentry, d_parent);
}

/* Puts "/" and the dentry's name in front of the text; false when it does not fit. */
static __always_inline bool gadget_path_prepend_(buf_t *text, struct dentry *dentry)
{
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	__u32 length = BPF_CORE_READ(dentry, d_name.len);
	__u32 begin = GADGET_PATH_BEGIN_(text);
	__u32 at;

	if (length > GADGET_PATH_NAME_MAX)
		length = GADGET_PATH_NAME_MAX;
	if (begin < length + 1)
		return false;
	at = begin - length - 1;
	text->buf[at & (GADGET_PATH_TEXT_MAX - 1)] = '/';
	bpf_probe_read_kernel(&text->buf[(at + 1) & (GADGET_PATH_TEXT_MAX - 1)], length & GADGET_PATH_NAME_MAX, name);
	GADGET_PATH_BEGIN_(text) = at;
	return true;
}

/*
 * Walks `dentry` in `mount` up to the root of all. The text ends, with a NUL, at byte GADGET_PATH_TEXT_MAX - 1 of the
 * buffer. Where no name was found (memfd and the like) it is empty.
 */
static __always_inline void gadget_path_walk_(buf_t *text, struct dentry *dentry, struct vfsmount *vfsmount)
{
	struct mount *mount = real_mount(vfsmount);

	GADGET_PATH_BEGIN_(text) = GADGET_PATH_TEXT_MAX - 1;
	text->buf[GADGET_PATH_TEXT_MAX - 1] = 0;
	for (int i = 0; i < MAX_PATH_COMPONENTS; i++) {
		struct dentry *root = BPF_CORE_READ(mount, mnt.mnt_root);
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (dentry == root) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount)
				break;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (dentry == parent || !gadget_path_prepend_(text, dentry))
			break;
		dentry = parent;
	}
}

static __always_inline void gadget_path_root_(buf_t *text)
{
	text->buf[GADGET_PATH_TEXT_MAX - 2] = '/';
	GADGET_PATH_BEGIN_(text) = GADGET_PATH_TEXT_MAX - 2;
}

/* Writes the full path of `path` into the per-CPU buffer, where the next call overwrites it; its text, its length without NUL. */
static __always_inline char *gadget_path_text(const struct path *path, __u32 *length)
{
	struct dentry *dentry = BPF_CORE_READ(path, dentry);
	struct vfsmount *mount = BPF_CORE_READ(path, mnt);
	buf_t *text = get_buf(STRING_BUF_IDX);
	__u32 begin;

	if (!text || !dentry)
		return NULL;
	gadget_path_walk_(text, dentry, mount);
	if (GADGET_PATH_BEGIN_(text) == GADGET_PATH_TEXT_MAX - 1) {
		/* The root itself, or a file without a place in the tree, which at least has a name. */
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (dentry != parent || BPF_CORE_READ(dentry, d_name.len) > 1)
			gadget_path_prepend_(text, dentry);
		else
			gadget_path_root_(text);
	}
	begin = GADGET_PATH_BEGIN_(text) & (GADGET_PATH_TEXT_MAX - 1);
	*length = GADGET_PATH_TEXT_MAX - 1 - begin;
	return (char *)&text->buf[begin];
}

/* The full path with a NUL, at most `size` bytes of it meaningful to the caller; NULL when there is none. */
static __always_inline void *get_path_str_with_size(const struct path *path, __u32 size)
{
	__u32 length;

	(void)size;
	return gadget_path_text(path, &length);
}

static __always_inline void *get_path_str(const struct path *path)
{
	return get_path_str_with_size(path, GADGET_PATH_MAX);
}

/* The file behind a descriptor of the current task, NULL when there is none. */
static __always_inline struct file *get_struct_file_for_fd(int fd)
{
	struct fdtable *table = gadget_current_read(files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* Writes the path of an open descriptor into `buffer`; bytes with NUL, or negative. */
static __always_inline long read_full_path_of_open_file_fd(int fd, char *buffer, __u64 size)
{
	struct file *file = get_struct_file_for_fd(fd);
	char *text;

	if (!file)
		return -1;
	text = get_path_str(&file->f_path);
	return text ? bpf_probe_read_kernel_str(buffer, size, text) : -1;
}

#endif
