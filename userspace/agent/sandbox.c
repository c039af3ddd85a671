// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent talks to a VMM, which may be in a guest's hands. What it holds - a
 * device fd, a guest fd, sockets - is all it needs, so all else is given up
 * before the first byte is read.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kassign.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox.h"

#define OVERFLOW_ID	65534	/* nobody, where there is no such name */

static int own_namespaces(void)
{
	return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) ?
	       -errno : 0;
}

/* A file system that is mounted nowhere: nothing outside can change or see it. */
static int empty_root(void)
{
	int fs, root = -1, err = 0;

	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		root = fsmount(fs, FSMOUNT_CLOEXEC,
			       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (root < 0 || fchdir(root) || chroot("."))
		err = -errno;
	close(fs);
	if (root >= 0)
		close(root);
	return err;
}

static int limits(void)
{
	static const struct {
		int what;
		rlim_t value;
	} all[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_FSIZE, 0 }, { RLIMIT_NPROC, 0 },
		{ RLIMIT_NOFILE, 64 }, { RLIMIT_MEMLOCK, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct rlimit limit = { all[i].value, all[i].value };

		if (setrlimit(all[i].what, &limit))
			return -errno;
	}
	return 0;
}

/* A name of its own if the administrator made one */
static void find_user(uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam("kassign");

	if (!pw)
		pw = getpwnam("nobody");
	*uid = pw && pw->pw_uid ? pw->pw_uid : OVERFLOW_ID;
	*gid = pw && pw->pw_gid ? pw->pw_gid : OVERFLOW_ID;
}

/* Needs /proc. The rest of the capabilities goes with the user. */
static int bound_capabilities(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(CAPNG_SELECT_BOUNDS) ? -EPERM : 0;
}

static int drop_user(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(accept4), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(close),
	SCMP_SYS(setsockopt), SCMP_SYS(clock_gettime), SCMP_SYS(brk),
	SCMP_SYS(munmap), SCMP_SYS(futex), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Only kassign's ioctls, and no memory that can be executed */
static int add_rules(scmp_filter_ctx ctx)
{
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00,
					       KASSIGN_IOC_TYPE << 8));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = add_rules(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int sandbox_enter(const char **why)
{
	uid_t uid;
	gid_t gid;
	int err;

	find_user(&uid, &gid);
	*why = "namespaces";
	err = own_namespaces();
	if (!err) {
		*why = "rid of capabilities";
		err = bound_capabilities();
	}
	if (!err) {
		*why = "an empty root";
		err = empty_root();
	}
	if (!err) {
		*why = "limits";
		err = limits();
	}
	if (!err) {
		*why = "an unprivileged user";
		err = drop_user(uid, gid);
	}
	if (!err) {
		*why = "the system call filter";
		err = filter();
	}
	return err;
}
