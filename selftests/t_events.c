// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host tells a VMM of a device: errors, and that it is the guest's no more.
 * Errors of the hardware itself: e2e/errors.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

static const uint32_t kinds[] = { KASSIGN_IRQ_ERR, KASSIGN_IRQ_REQ };

/* How often it was signalled since the last look */
static uint64_t signals(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		ASSERT_EQ(errno, EAGAIN);
	return count;
}

static int tell_by_eventfd(struct rig *rig, uint32_t index)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);

	ASSERT_EQ(kassign_irq_eventfds(rig->dev, index, 0, 1, &fd), 0);
	return fd;
}

TEST(a_device_that_is_taken_says_so_once)
{
	struct rig rig;
	int err, req;

	rig_start(&rig, EDU, VMM_ANON);
	err = tell_by_eventfd(&rig, KASSIGN_IRQ_ERR);
	req = tell_by_eventfd(&rig, KASSIGN_IRQ_REQ);
	usleep(10000);
	ASSERT_EQ(signals(req), 0);
	host_unbind(EDU);
	ASSERT_EQ(signals(req), 1);
	ASSERT_EQ(signals(err), 0);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_REQ), -ENODEV);
	rig_end(&rig);
	ASSERT_EQ(signals(req), 0);
	host_bind(EDU);
}

TEST(events_are_told_until_they_are_disabled)
{
	struct rig rig;
	size_t i;
	int fd;

	rig_start(&rig, EDU, VMM_ANON);
	for (i = 0; i < 2; i++) {
		fd = tell_by_eventfd(&rig, kinds[i]);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, kinds[i], 0, 1), 0);
		ASSERT_EQ(signals(fd), 1);
		ASSERT_EQ(kassign_irq_disable(rig.dev, kinds[i]), 0);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, kinds[i], 0, 1), 0);
		ASSERT_EQ(signals(fd), 0);
		/* That one has waited for somebody who listens. */
		ASSERT_EQ(signals(tell_by_eventfd(&rig, kinds[i])), 1);
	}
	rig_end(&rig);
}

TEST(an_event_has_one_vector_and_no_other_delivery)
{
	struct kassign_irq_info info;
	int32_t fds[2], bad = 0;
	struct rig rig;
	size_t i;

	fds[0] = eventfd(0, EFD_NONBLOCK);
	fds[1] = fds[0];
	rig_start(&rig, EDU, VMM_ANON);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(kassign_device_get_irq(rig.dev, kinds[i], &info), 0);
		ASSERT_EQ(info.count, 1);
		ASSERT_EQ(info.flags, KASSIGN_IRQ_INFO_EVENTFD);
		ASSERT_EQ(kassign_irq_eventfds(rig.dev, kinds[i], 0, 2, fds), -EINVAL);
		ASSERT_EQ(kassign_irq_eventfds(rig.dev, kinds[i], 1, 1, fds), -EINVAL);
		ASSERT_EQ(kassign_irq_eventfds(rig.dev, kinds[i], 0, 1, &bad), -EINVAL);
		ASSERT_EQ(kassign_irq_inject(rig.dev, kinds[i]), -EINVAL);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, kinds[i], 0, 2), -EINVAL);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, kinds[i], 1, 1), -EINVAL);
	}
	rig_end(&rig);
}
