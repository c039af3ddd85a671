// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel module, by libkmod.
 */
#include <errno.h>
#include <libkmod.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

bool module_loaded(void)
{
	return access("/sys/module/kassign/initstate", F_OK) == 0;
}

static int with_module(int (*fn)(struct kmod_module *mod))
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_list *list = NULL;
	struct kmod_module *mod;
	int ret = -ENOENT;

	if (!ctx)
		return -ENOMEM;
	kmod_module_new_from_lookup(ctx, "kassign", &list);
	if (list) {
		mod = kmod_module_get_module(list);
		ret = fn(mod);
		kmod_module_unref(mod);
		kmod_module_unref_list(list);
	}
	kmod_unref(ctx);
	return ret;
}

static int has_path(struct kmod_module *mod)
{
	return kmod_module_get_path(mod) ? 0 : -ENOENT;
}

static int probe_insert(struct kmod_module *mod)
{
	return kmod_module_probe_insert_module(mod, 0, NULL, NULL, NULL, NULL);
}

bool module_available(void)
{
	return module_loaded() || !with_module(has_path);
}

int module_load(struct problem *p)
{
	int err;

	if (module_loaded())
		return 0;
	err = with_module(probe_insert);
	if (!err)
		return 0;
	if (err == -ENOENT)
		return problem(p, EXIT_REFUSED,
			       "build it with make, then insmod kassign.ko; or make install for good",
			       "the kernel module kassign is not installed for this kernel");
	return problem(p, EXIT_REFUSED, "see the end of dmesg",
		       "the kernel module kassign cannot be loaded: %s",
		       strerror(-err));
}
