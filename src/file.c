// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pseudo file system for device files.
 *
 * anon_inode files all share one inode, so zapping one's mappings would zap
 * everybody's. Each device therefore has an inode of its own.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "kassign.h"

#define KASSIGN_FS_MAGIC	0x6b617367	/* "kasg" */

static struct vfsmount *kassign_mnt;
static int kassign_mnt_count;

static int kassign_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, KASSIGN_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type kassign_fs_type = {
	.name		 = KASSIGN_NAME,
	.owner		 = THIS_MODULE,
	.init_fs_context = kassign_fs_context,
	.kill_sb	 = kill_anon_super,
};

/**
 * kassign_inode_new - an inode of its own
 *
 * The file system is mounted, and holds the module, only while there are
 * inodes. Given back with kassign_inode_put().
 */
struct inode *kassign_inode_new(void)
{
	struct inode *inode;
	int err;

	err = simple_pin_fs(&kassign_fs_type, &kassign_mnt, &kassign_mnt_count);
	if (err)
		return ERR_PTR(err);
	inode = alloc_anon_inode(kassign_mnt->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&kassign_mnt, &kassign_mnt_count);
	return inode;
}

/* Files made on the inode keep it, and the file system, on their own. */
void kassign_inode_put(struct inode *inode)
{
	if (!inode)
		return;
	iput(inode);
	simple_release_fs(&kassign_mnt, &kassign_mnt_count);
}

/**
 * kassign_file_new - a file on an inode of ours
 * @inode: from kassign_inode_new(); the file takes its own reference
 * @name:  shown in /proc/PID/fd and maps
 * @flags: O_*
 * @fops:  must have an owner
 * @priv:  private_data
 */
struct file *kassign_file_new(struct inode *inode, const char *name, int flags,
			      const struct file_operations *fops, void *priv)
{
	struct file *file;

	fops = fops_get(fops);
	if (!fops)
		return ERR_PTR(-ENODEV);
	ihold(inode);
	file = alloc_file_pseudo(inode, kassign_mnt, name, flags, fops);
	if (IS_ERR(file)) {
		iput(inode);
		fops_put(fops);
		return file;
	}
	file->f_mapping = inode->i_mapping;
	file->private_data = priv;
	return file;
}
