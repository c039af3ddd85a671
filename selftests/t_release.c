// SPDX-License-Identifier: GPL-2.0-only
/*
 * However it ends, the device is free, nothing is pinned, and it can be assigned
 * again.
 */
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "rnd.h"
#include "tap.h"

/* A VM with a working device: slots, interrupts and pins are all there. */
static void start_busy(struct rig *rig)
{
	rig_start(rig, EDU, VMM_ANON);
	edu_enable(rig, BAR0_GPA);
	ASSERT_EQ(kassign_irq_inject(rig->dev, KASSIGN_IRQ_MSI), 0);
	ASSERT_EQ(vmm_read(&rig->vmm, BAR0_GPA, 1), EDU_ID_VALUE);
}

static void expect_clean(long pins)
{
	struct rig rig;

	host_expect_state(EDU, KASSIGN_DEV_FREE);
	host_expect_pins(pins);
	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(edu_read(rig.dev, EDU_ID), EDU_ID_VALUE);
	rig_end(&rig);
	host_expect_pins(pins);
}

TEST(descriptors_close_in_any_order)
{
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	long pins = host_pins();
	struct rig rig;
	int i, j;

	for (i = 0; i < 6; i++) {
		start_busy(&rig);
		for (j = 0; j < 3; j++) {
			if (orders[i][j] == 0)
				close(rig.dev);
			else if (orders[i][j] == 1)
				close(rig.guest);
			else
				vmm_end(&rig.vmm);
		}
		close(rig.ctl);
	}
	expect_clean(pins);
}

/* Runs @fn in a child that then dies by @sig, or exits when 0 */
static void in_child(void (*fn)(struct rig *rig), int sig)
{
	struct rig rig;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn(&rig);
		if (sig)
			kill(getpid(), sig);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ASSERT(sig ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status));
}

TEST(a_vmm_that_exits)
{
	long pins = host_pins();

	in_child(start_busy, 0);
	expect_clean(pins);
}

TEST(a_vmm_that_is_killed)
{
	long pins = host_pins();
	int i;

	for (i = 0; i < 5; i++)
		in_child(start_busy, SIGKILL);
	expect_clean(pins);
}

static void send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	ASSERT_EQ(sendmsg(sock, &mh, 0), 1);
}

static int recv_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	ASSERT_EQ(recvmsg(sock, &mh, 0), 1);
	cmsg = CMSG_FIRSTHDR(&mh);
	ASSERT(cmsg);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

/* The device fd is held elsewhere, as by an agent, when the VMM dies. */
TEST(a_vmm_that_dies_while_another_holds_the_device)
{
	struct kassign_device_status st;
	struct kassign_guest_status gs;
	long pins = host_pins();
	struct rig rig;
	int pair[2], dev, guest;
	pid_t pid;

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (pid == 0) {
		start_busy(&rig);
		send_fd(pair[1], rig.dev);
		send_fd(pair[1], rig.guest);
		pause();
	}
	dev = recv_fd(pair[0]);
	guest = recv_fd(pair[0]);
	ASSERT_EQ(kassign_device_get_status(dev, &st), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	host_expect_state(EDU, KASSIGN_DEV_FREE);
	host_expect_pins(pins);
	ASSERT_EQ(kassign_device_get_status(dev, &st), -ENODEV);
	ASSERT_EQ(kassign_guest_sync(guest, 0, NULL), 0);
	ASSERT_EQ(kassign_guest_get_status(guest, &gs), 0);
	ASSERT_EQ(gs.mapped_bytes, 0);
	ASSERT_EQ(rig_assign(guest, EDU), -ESRCH);
	expect_clean(pins);
	/* The stale fd still does no harm to the device's next life. */
	close(dev);
	close(guest);
	expect_clean(pins);
}

TEST(unbind_takes_the_device_away)
{
	struct kassign_device_status st;
	long pins = host_pins();
	struct rig rig;

	start_busy(&rig);
	host_unbind(EDU);
	ASSERT_EQ(kassign_device_get_status(rig.dev, &st), -ENODEV);
	ASSERT_EQ(host_state(EDU), -1);
	host_expect_pins(pins);
	rig_end(&rig);
	host_bind(EDU);
	expect_clean(pins);
}

/* It would lose the device's state, and the guest knew nothing. */
TEST(the_host_does_not_sleep_with_a_device_assigned)
{
	struct rig rig;

	if (access("/sys/power/pm_test", W_OK))
		SKIP("this kernel cannot sleep, or not for a test");
	start_busy(&rig);
	/* Should it be possible after all, for 5 s only */
	ASSERT_EQ(host_put("/sys/power/pm_test", "devices"), 0);
	ASSERT_EQ(host_put("/sys/power/state", "freeze"), -EBUSY);
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 1), EDU_ID_VALUE);
	rig_end(&rig);
}

static sigjmp_buf no_page;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

static bool gives_sigbus(volatile uint32_t *at)
{
	struct sigaction action = { .sa_handler = on_sigbus }, before;
	volatile bool arrived = false;

	ASSERT_OK(sigaction(SIGBUS, &action, &before));
	if (sigsetjmp(no_page, 1))
		arrived = true;
	else
		(void)*at;
	ASSERT_OK(sigaction(SIGBUS, &before, NULL));
	return arrived;
}

TEST(a_mapped_bar_gives_sigbus_after_release)
{
	volatile uint32_t *bar;
	struct rig rig;

	start_busy(&rig);
	bar = mmap(NULL, 4096, PROT_READ, MAP_SHARED, rig.dev, 0);
	ASSERT(bar != MAP_FAILED);
	ASSERT(!gives_sigbus(bar));
	ASSERT_EQ(bar[0], EDU_ID_VALUE);
	host_unbind(EDU);
	ASSERT(gives_sigbus(bar));
	munmap((void *)bar, 4096);
	rig_end(&rig);
	host_bind(EDU);
	host_expect_state(EDU, KASSIGN_DEV_FREE);
}

TEST(a_fork_of_the_vmm_holds_nothing)
{
	long pins = host_pins();
	struct rig rig;
	pid_t pid;

	start_busy(&rig);
	pid = fork();
	if (pid == 0) {
		close(rig.dev);
		close(rig.guest);
		close(rig.ctl);
		pause();
	}
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 1), EDU_ID_VALUE);
	rig_end(&rig);
	usleep(200000);
	host_expect_state(EDU, KASSIGN_DEV_FREE);
	host_expect_pins(pins);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The process lives on, as another program with another address space. */
TEST(a_vmm_that_execs)
{
	long pins = host_pins();
	int status, attached[2], seen[2];
	struct rig rig;
	char byte = 0;
	pid_t pid;

	ASSERT_OK(pipe(attached));
	ASSERT_OK(pipe(seen));
	pid = fork();
	if (pid == 0) {
		start_busy(&rig);
		if (write(attached[1], &byte, 1) == 1 && read(seen[0], &byte, 1) == 1)
			execl("/bin/sleep", "sleep", "30", NULL);
		_exit(1);
	}
	ASSERT_EQ(read(attached[0], &byte, 1), 1);
	host_expect_state(EDU, KASSIGN_DEV_ASSIGNED);
	ASSERT_EQ(write(seen[1], &byte, 1), 1);
	/* Free again while it sleeps */
	host_expect_state(EDU, KASSIGN_DEV_FREE);
	host_expect_pins(pins);
	ASSERT_EQ(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(attached[0]);
	close(attached[1]);
	close(seen[0]);
	close(seen[1]);
	expect_clean(pins);
}

/* Copies of the descriptors, here and in a child, closed in any order */
static void live_randomly(void)
{
	struct kassign_device_status st;
	int fds[12], i, nr = 0;
	struct rig rig;
	pid_t pid;

	start_busy(&rig);
	fds[nr++] = rig.dev;
	fds[nr++] = rig.guest;
	fds[nr++] = rig.ctl;
	while (nr < 12) {
		fds[nr] = dup(fds[rnd(nr)]);
		ASSERT(fds[nr++] >= 0);
	}
	pid = fork();
	while (nr) {
		i = rnd(nr);
		if (rnd(4) == 0)
			usleep(rnd(3000));
		kassign_device_get_status(fds[rnd(nr)], &st);
		close(fds[i]);
		fds[i] = fds[--nr];
		if (rnd(40) == 0)
			break;
	}
	if (pid == 0)
		_exit(0);	/* what is left goes with it */
	waitpid(pid, NULL, 0);
	while (nr)
		close(fds[--nr]);
	vmm_end(&rig.vmm);
}

TEST(random_lives_of_descriptors)
{
	long pins = host_pins();
	int i;

	seed_from_env();
	for (i = 0; i < 20; i++)
		live_randomly();
	expect_clean(pins);
}

TEST(fifty_times_over)
{
	long pins = host_pins();
	struct rig rig;
	int i;

	vmm_start(&rig.vmm, VMM_ANON);
	host_bind(EDU);
	rig.guest = rig_guest(&rig);
	for (i = 0; i < 50; i++) {
		rig.dev = rig_assign(rig.guest, EDU);
		ASSERT(rig.dev >= 0);
		rig.vmm.nr_mmio = 0;
		edu_enable(&rig, BAR0_GPA);
		close(rig.dev);
	}
	host_expect_pins(pins);
	rig.dev = -1;
	rig_end(&rig);
	expect_clean(pins);
}
