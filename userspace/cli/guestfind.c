// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running virtual machines: any process that holds a KVM VM, with the name and
 * QMP socket its command line tells where it is QEMU.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli.h"

#define VM_LINK "anon_inode:kvm-vm"

/* ---- processes ---- */

unsigned long long proc_start(pid_t pid)
{
	char path[64], text[1024], *p;
	unsigned long long start = 0;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)))
		return 0;
	p = strrchr(text, ')');		/* the name may hold anything */
	for (i = 2; p && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (p)
		start = strtoull(p, NULL, 10);
	return start;
}

bool guest_alive(pid_t pid, unsigned long long start)
{
	return pid > 0 && proc_start(pid) == start && start;
}

/* Calls @fn with each fd number of the process that is a KVM VM. */
static int each_vm_fd(pid_t pid, int (*fn)(int fd, void *arg), void *arg)
{
	char path[64], link[PATH_MAX], target[64];
	struct dirent *e;
	int ret = 0;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!ret && (e = readdir(dir))) {
		snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (!strncmp(target, VM_LINK, strlen(VM_LINK)))
			ret = fn(atoi(e->d_name), arg);
	}
	closedir(dir);
	return ret;
}

static int found_one(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	return 1;
}

struct fd_list {
	int pidfd;
	int *fds;
	int nr;
	int max;
	int err;
};

static int copy_fd(int fd, void *arg)
{
	struct fd_list *list = arg;
	int copy = syscall(SYS_pidfd_getfd, list->pidfd, fd, 0);

	if (copy < 0)
		list->err = errno;
	else
		list->fds[list->nr++] = copy;
	return list->nr == list->max;
}

int guest_vm_fds(pid_t pid, int *fds, int max, struct problem *p)
{
	struct fd_list list = { .fds = fds, .max = max };

	list.pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (list.pidfd < 0)
		return problem(p, EXIT_FAILED, NULL, "process %d: %s", pid,
			       strerror(errno));
	each_vm_fd(pid, copy_fd, &list);
	close(list.pidfd);
	if (!list.nr)
		return problem(p, EXIT_FAILED,
			       "a security module may forbid it (ptrace rights on the VMM are needed)",
			       "cannot take the VM of process %d: %s", pid,
			       list.err ? strerror(list.err) : "it has none");
	return list.nr;
}

/* ---- command lines ---- */

/* Value of "key=" in "a,key=value,b", or NULL. QEMU doubles literal commas. */
static bool option_value(const char *text, const char *key, char *value,
			 size_t len)
{
	size_t klen = strlen(key), i = 0;

	while (text && *text) {
		if (!strncmp(text, key, klen) && text[klen] == '=') {
			for (text += klen + 1; *text; text++) {
				if (*text == ',' && *++text != ',')
					break;
				if (i + 1 < len)
					value[i++] = *text;
			}
			value[i] = '\0';
			return true;
		}
		text = strchr(text, ',');
		if (text)
			text++;
	}
	return false;
}

static void parse_name(struct guest *guest, const char *value)
{
	if (!option_value(value, "guest", guest->name, sizeof(guest->name))) {
		copy_str(guest->name, sizeof(guest->name), value);
		guest->name[strcspn(guest->name, ",")] = '\0';
	}
	make_printable(guest->name);
}

static void parse_qmp(struct guest *guest, const char *value)
{
	if (guest->qmp[0] || strncmp(value, "unix:", 5))
		return;
	copy_str(guest->qmp, sizeof(guest->qmp), value + 5);
	guest->qmp[strcspn(guest->qmp, ",")] = '\0';
}

static const char *next_arg(const char *arg, const char *end)
{
	const char *next = memchr(arg, '\0', end - arg);

	return next && next + 1 < end ? next + 1 : NULL;
}

/* The path of the socket chardev @id */
static void find_chardev(struct guest *guest, const char *args, size_t len,
			 const char *id)
{
	const char *end = args + len, *arg, *value;
	char this_id[NAME_LEN];

	for (arg = args; arg; arg = next_arg(arg, end)) {
		value = next_arg(arg, end);
		if ((strcmp(arg, "-chardev") && strcmp(arg, "--chardev")) ||
		    !value || strncmp(value, "socket", 6))
			continue;
		if (option_value(value, "id", this_id, sizeof(this_id)) &&
		    !strcmp(this_id, id))
			option_value(value, "path", guest->qmp,
				     sizeof(guest->qmp));
	}
}

static void parse_mon(struct guest *guest, const char *args, size_t len,
		      const char *value)
{
	char mode[NAME_LEN] = "", chardev[NAME_LEN] = "";

	option_value(value, "mode", mode, sizeof(mode));
	if (!option_value(value, "chardev", chardev, sizeof(chardev))) {
		copy_str(chardev, sizeof(chardev), value);
		chardev[strcspn(chardev, ",")] = '\0';
	}
	if (!guest->qmp[0] && !strcmp(mode, "control"))
		find_chardev(guest, args, len, chardev);
}

/* @args must end with a NUL. */
void guest_parse_cmdline(struct guest *guest, const char *args, size_t len)
{
	const char *end = args + len, *arg, *value;

	for (arg = args; arg; arg = next_arg(arg, end)) {
		value = next_arg(arg, end);
		if (!value)
			break;
		if (arg[0] == '-' && arg[1] == '-')
			arg++;
		if (!strcmp(arg, "-name"))
			parse_name(guest, value);
		else if (!strcmp(arg, "-qmp") || !strcmp(arg, "-qmp-pretty"))
			parse_qmp(guest, value);
		else if (!strcmp(arg, "-mon"))
			parse_mon(guest, args, len, value);
	}
}

/* The socket as we can reach it: the VMM may see another root or directory. */
static void resolve_qmp(struct guest *guest)
{
	char path[sizeof(guest->qmp) + 32];

	if (!guest->qmp[0] || !access(guest->qmp, F_OK))
		return;
	snprintf(path, sizeof(path), "/proc/%d/%s/%s", guest->pid,
		 guest->qmp[0] == '/' ? "root" : "cwd", guest->qmp);
	if (!access(path, F_OK))
		copy_str(guest->qmp, sizeof(guest->qmp), path);
}

static void read_guest(struct guest *guest)
{
	char path[64], args[65536];
	int fd;
	ssize_t n;

	guest->start = proc_start(guest->pid);
	snprintf(path, sizeof(path), "/proc/%d/comm", guest->pid);
	read_text(path, guest->exe, sizeof(guest->exe));
	guest->is_qemu = !strncmp(guest->exe, "qemu", 4) ||
			 !strncmp(guest->exe, "kvm", 3);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", guest->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, args, sizeof(args) - 1);
	close(fd);
	if (n <= 0)
		return;
	args[n] = '\0';
	guest_parse_cmdline(guest, args, n);
	resolve_qmp(guest);
}

/* Number of guests; an array for free() */
int guests_find(struct guest **guests)
{
	struct guest *grown;
	struct dirent *e;
	int nr = 0;
	DIR *dir = opendir("/proc");

	*guests = NULL;
	while (dir && (e = readdir(dir))) {
		if (!isdigit(e->d_name[0]) ||
		    !each_vm_fd(atoi(e->d_name), found_one, NULL))
			continue;
		grown = realloc(*guests, (nr + 1) * sizeof(**guests));
		if (!grown)
			break;
		*guests = grown;
		memset(&grown[nr], 0, sizeof(*grown));
		grown[nr].pid = atoi(e->d_name);
		read_guest(&grown[nr++]);
	}
	if (dir)
		closedir(dir);
	return nr;
}

static bool guest_matches(const struct guest *guest, const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	/* An empty one is somebody's unset variable, not a guest without a name. */
	if (text[0] && !strcmp(guest->name, text))
		return true;
	return !*end && pid == guest->pid;
}

static void list_names(const struct guest *guests, int nr, const char *match,
		       char *text, size_t len)
{
	size_t used = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < nr && used < len; i++)
		if (!match || guest_matches(&guests[i], match))
			used += snprintf(text + used, len - used, "%s%s (pid %d)",
					 used ? ", " : "",
					 guests[i].name[0] ? guests[i].name :
							     guests[i].exe,
					 guests[i].pid);
}

int guest_find(const char *text, struct guest *guest, struct problem *p)
{
	struct guest *guests;
	int nr = guests_find(&guests), i, found = 0;
	char names[160];

	for (i = 0; i < nr; i++) {
		if (!guest_matches(&guests[i], text))
			continue;
		*guest = guests[i];
		found++;
	}
	list_names(guests, nr, found ? text : NULL, names, sizeof(names));
	free(guests);
	if (found == 1)
		return 0;
	if (found)
		return problem(p, EXIT_REFUSED, "name it by its pid",
			       "'%s' fits %d guests: %s", text, found, names);
	return problem(p, EXIT_REFUSED,
		       nr ? "kassign guests shows them" :
			    "no process on this machine runs a KVM guest",
		       "no guest '%s'%s%s", text, nr ? "; running: " : "", names);
}
