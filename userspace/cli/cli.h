/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the kassign command share.
 */
#ifndef KASSIGN_CLI_H
#define KASSIGN_CLI_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "libkassign.h"

#define KASSIGN_VERSION	"0.1"
#ifndef RUN_DIR			/* unit tests have their own */
#define RUN_DIR		"/run/kassign"
#endif
#define NAME_LEN	64
#define PATH_LEN	108	/* what fits a Unix socket address */

/* Exit codes, as --help tells them */
enum {
	EXIT_OK,
	EXIT_FAILED,		/* failed, everything undone */
	EXIT_USAGE,
	EXIT_REFUSED,		/* a precondition does not hold, nothing changed */
	EXIT_NOT_ROOT,
};

/**
 * struct problem - what went wrong, for a person
 * @code:	EXIT_*
 * @text:	the cause
 * @cure:	what to do, may be empty
 */
struct problem {
	int code;
	char text[512];
	char cure[256];
};

/* Fills @p and returns -1. @cure may be NULL. */
__attribute__((format(printf, 4, 5)))
int problem(struct problem *p, int code, const char *cure, const char *fmt, ...);
void problem_print(const struct problem *p, bool json);
/* The same for what does not stop anything */
void problem_warn(const struct problem *p, bool json);

/* ---- pci.c: PCI devices in sysfs ---- */

struct pci_dev_info {
	struct kassign_bdf bdf;
	char name[KASSIGN_BDF_LEN];
	char driver[NAME_LEN];		/* empty: none */
	char override[NAME_LEN];	/* empty: none */
	char iface[NAME_LEN];		/* first network interface, or empty */
	char title[128];		/* vendor and device, as libpci knows them */
	int group;			/* IOMMU group, -1 none */
	unsigned int class;		/* 24 bits */
};

/* By BDF or interface name */
int pci_find(const char *text, struct pci_dev_info *dev, struct problem *p);
int pci_refresh(struct pci_dev_info *dev);
int pci_bind(const struct pci_dev_info *dev, const char *driver,
	     struct problem *p);
int pci_unbind(const struct pci_dev_info *dev, struct problem *p);
int pci_set_override(const struct pci_dev_info *dev, const char *driver,
		     struct problem *p);
/* Calls @fn for every PCI function; stops at the first non-zero answer. */
int pci_for_each(int (*fn)(const struct pci_dev_info *dev, void *arg), void *arg);
/* The same without titles, for every other function on the device's bus. */
int pci_for_each_on_bus(const struct pci_dev_info *dev,
			int (*fn)(const struct pci_dev_info *other, void *arg),
			void *arg);
/* Calls @fn for every other function of the device's IOMMU group. */
int pci_for_each_peer(const struct pci_dev_info *dev,
		      int (*fn)(const struct pci_dev_info *peer, void *arg),
		      void *arg);

/* ---- link.c: network interfaces ---- */

#define MAX_ADDRS	64

struct link_state {
	char name[NAME_LEN];
	bool up;
	unsigned int mtu;
	char master[NAME_LEN];
	bool default_route;
	bool more_addrs;		/* than there is room for */
	int nr_addrs;
	char addrs[MAX_ADDRS][64];	/* "10.0.0.1/24" */
};

/* -ENOENT: there is none of that name */
int link_read(const char *name, struct link_state *link);
int link_down(const char *name, struct problem *p);
int link_restore(const struct link_state *link, const char *now,
		 struct problem *p);

/* ---- guestfind.c: running VMs ---- */

struct guest {
	pid_t pid;
	unsigned long long start;	/* field 22 of /proc/PID/stat */
	char name[NAME_LEN];		/* empty: unnamed */
	char qmp[256];			/* QMP socket, empty: none found */
	char exe[NAME_LEN];
	bool is_qemu;
};

int guests_find(struct guest **guests);
int guest_find(const char *text, struct guest *guest, struct problem *p);
unsigned long long proc_start(pid_t pid);	/* 0: no such process */
bool guest_alive(pid_t pid, unsigned long long start);
/* A copy of the VMM's VM file descriptors; fds[] up to @max, returns how many */
int guest_vm_fds(pid_t pid, int *fds, int max, struct problem *p);
/* For tests: name and QMP socket out of NUL-separated arguments */
void guest_parse_cmdline(struct guest *guest, const char *args, size_t len);

/* ---- qmp.c ---- */

struct qmp;
struct qmp *qmp_open(const char *path, struct problem *p);
struct qmp *qmp_attach_fd(int fd, struct problem *p);
void qmp_close(struct qmp *qmp);
/* @args is consumed (may be NULL). NULL and a problem on failure. */
struct json_object *qmp_call(struct qmp *qmp, const char *command,
			     struct json_object *args, struct problem *p);
/* Waits for an event about @device; its name, or NULL after @ms */
const char *qmp_wait_device(struct qmp *qmp, const char *device, int ms);

/* ---- vmm.c: what we want of a VMM, over QMP ---- */

int vmm_check(struct qmp *qmp, struct problem *p);
int vmm_free_port(struct qmp *qmp, char port[NAME_LEN], struct problem *p);
int vmm_plug(struct qmp *qmp, const char *id, const char *port,
	     const char *socket, const char *rom, struct problem *p);
int vmm_unplug(struct qmp *qmp, const char *id, int timeout_ms,
	       struct problem *p);
bool vmm_has_device(struct qmp *qmp, const char *id);
/* Unplugs what earlier attachments of @bdf have left in the VMM, dead. */
void vmm_unplug_stale(struct qmp *qmp, const char *bdf);

/* ---- module.c ---- */

int module_load(struct problem *p);
bool module_loaded(void);
bool module_available(void);

/* ---- state.c: what has to be given back ---- */

/**
 * struct state - one attachment, as in /run/kassign/BDF.json
 *
 * Written before anything is changed, so that whoever finds it later can give
 * the device back.
 */
struct state {
	struct pci_dev_info dev;	/* as it was on the host */
	struct link_state link;
	struct guest guest;
	char port[NAME_LEN];
	char id[NAME_LEN];	/* of the device in QEMU; empty: not plugged yet */
	char phase[NAME_LEN];
	pid_t keeper;
	unsigned long long keeper_start;
	pid_t agent;
	unsigned long long agent_start;
};

int state_write(const struct state *state, struct problem *p);
int state_read(const char *bdf, struct state *state);	/* -1: none or broken */
void state_remove(const char *bdf);
/* Makes up the id of the device in QEMU: this attachment's alone. */
void state_name_device(struct state *state);
void state_path(const char *bdf, const char *suffix, char path[PATH_LEN]);
/* Of what is found and done: TELL_PROBLEMS only what is wrong, as text */
enum tell { TELL_NOTHING, TELL_PROBLEMS, TELL_TEXT, TELL_JSON };
/* recover.c: all good ones, an array for free(); @tell of the broken ones */
int states_read(struct state **states, enum tell tell);
/* Exclusive; fd, or -1 when somebody has it */
int state_lock(const char *name);

/* ---- host.c: taking a device from the host and giving it back ---- */

int host_take(struct state *state, struct problem *p);
int host_give_back(const struct state *state, struct problem *p);

/* ---- check.c ---- */

struct options {
	bool json;
	bool force;
	bool no_wait;
	bool all;
	int timeout;
	const char *qmp;
	const char *bus;
	const char *irq;
	const char *rom;
};

struct request {
	struct pci_dev_info dev;
	struct link_state link;
	struct guest guest;
	char port[NAME_LEN];
	char rom[PATH_MAX];	/* "auto", "off", or an absolute path */
	const struct options *opt;
};

/* Everything attach needs; fills @req. */
int check_all(const char *dev, const char *guest, struct request *req,
	      struct problem *p);

/* ---- keeper.c, recover.c ---- */

/* Forks the keeper; the socket it reports on, or -1. @lock goes to it. */
int keeper_start(const struct request *req, int lock, struct problem *p);
/*
 * Shows what a keeper reports until it is done; exit code. @commit: an attach,
 * which counts only once it is known here.
 */
int keeper_follow(int sock, bool json, bool terminal, bool commit);
int device_find(const char *text, struct pci_dev_info *dev, struct problem *p);
/* Gives back what a dead keeper left, without a word; @bdf NULL: everything */
int recover(const char *bdf);
int agent_main(int argc, char **argv);

/* ---- report.c: lines from the keeper to the command ---- */

void report_step(int fd, const char *text, double ms);
void report_progress(int fd, unsigned long long done, unsigned long long total);
void report_note(int fd, const char *text);
void report_problem(int fd, const struct problem *p);
void report_done(int fd, const char *text);

/* ---- out.c ---- */

/* The end of a command that found nothing to do */
__attribute__((format(printf, 3, 4)))
void print_done(bool json, const char *result, const char *fmt, ...);

struct column {
	const char *key;
	const char *title;
};

/* A table, or JSON: each value is made once. Consumes @rows. */
void print_rows(struct json_object *rows, const struct column *columns,
		bool json);

/* ---- util.c ---- */

/* One line of JSON; consumes @o */
void print_object(struct json_object *o);
int read_text(const char *path, char *buf, size_t len);	/* one line */
int write_text(const char *path, const char *text);
double now_ms(void);
void copy_str(char *to, size_t len, const char *from);
/* What a VMM says must not steer the terminal: control characters become '?'. */
void make_printable(char *text);
/* What QEMU's ids of all attachments of a device begin with */
void qdev_id_prefix(const char *bdf, char id[NAME_LEN]);

/* ---- one file per command ---- */

int cmd_attach(int argc, char **argv, struct options *opt);
int cmd_detach(int argc, char **argv, struct options *opt);
int cmd_list(int argc, char **argv, struct options *opt);
int cmd_guests(int argc, char **argv, struct options *opt);
int cmd_status(int argc, char **argv, struct options *opt);
int cmd_check(int argc, char **argv, struct options *opt);
int cmd_recover(int argc, char **argv, struct options *opt);

#endif /* KASSIGN_CLI_H */
