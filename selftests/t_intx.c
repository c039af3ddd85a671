// SPDX-License-Identifier: GPL-2.0-only
/*
 * INTx, the interrupt line: edu raises it until it is acknowledged.
 */
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

#define VECTOR 0x41

struct line {
	struct rig rig;
	int32_t trigger;
	int32_t resample;
};

static void start(struct line *line)
{
	line->trigger = eventfd(0, EFD_NONBLOCK);
	line->resample = eventfd(0, EFD_NONBLOCK);
	ASSERT(line->trigger >= 0 && line->resample >= 0);
	rig_start(&line->rig, EDU, VMM_ANON);
	edu_enable(&line->rig, BAR0_GPA);
	ASSERT_EQ(kassign_irq_eventfds(line->rig.dev, KASSIGN_IRQ_INTX, 0, 1,
				       &line->trigger), 0);
}

static void end(struct line *line)
{
	rig_end(&line->rig);
	close(line->trigger);
	close(line->resample);
}

static struct kassign_device_status status(struct line *line)
{
	struct kassign_device_status st;

	ASSERT_EQ(kassign_device_get_status(line->rig.dev, &st), 0);
	return st;
}

static void raise_line(struct line *line)
{
	edu_write(line->rig.dev, EDU_IRQ_RAISE, 1);
}

static void acknowledge(struct line *line)
{
	edu_write(line->rig.dev, EDU_IRQ_ACK, 1);
}

/* Interrupts since the last look, after at most a second for the first */
static uint64_t arrived(struct line *line)
{
	struct pollfd p = { .fd = line->trigger, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, 1000) == 1)
		ASSERT_EQ(read(line->trigger, &n, sizeof(n)), sizeof(n));
	return n;
}

static bool silent(struct line *line)
{
	struct pollfd p = { .fd = line->trigger, .events = POLLIN };

	return !poll(&p, 1, 50);
}

static void unmask(struct line *line)
{
	ASSERT_EQ(kassign_intx_mask(line->rig.dev, false), 0);
}

TEST(a_device_with_a_line_shows_it)
{
	struct kassign_irq_info info;
	struct line line;

	start(&line);
	ASSERT_EQ(config_read(line.rig.dev, PCI_INTERRUPT_PIN, 1), 1);
	config_write(line.rig.dev, PCI_INTERRUPT_PIN, 1, 3);
	ASSERT_EQ(config_read(line.rig.dev, PCI_INTERRUPT_PIN, 1), 1);
	ASSERT_EQ(kassign_device_get_irq(line.rig.dev, KASSIGN_IRQ_INTX, &info), 0);
	ASSERT_EQ(info.count, 1);
	ASSERT_EQ(info.flags, KASSIGN_IRQ_INFO_EVENTFD | KASSIGN_IRQ_INFO_LEVEL);
	ASSERT_EQ(status(&line).irq_index, KASSIGN_IRQ_INTX);
	ASSERT_EQ(status(&line).irq_vectors, 1);
	end(&line);
}

TEST(an_interrupt_comes_once_until_it_is_ended)
{
	struct line line;

	start(&line);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	ASSERT(silent(&line));
	/* Still up: that is another one. */
	unmask(&line);
	ASSERT_EQ(arrived(&line), 1);
	acknowledge(&line);
	unmask(&line);
	ASSERT(silent(&line));
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	ASSERT_EQ(status(&line).irqs, 3);
	end(&line);
}

TEST(a_thousand_interrupts_none_lost_none_too_many)
{
	struct line line;
	int i;

	start(&line);
	for (i = 0; i < 1000; i++) {
		raise_line(&line);
		ASSERT_EQ(arrived(&line), 1);
		acknowledge(&line);
		unmask(&line);
	}
	ASSERT(silent(&line));
	ASSERT_EQ(status(&line).irqs, 1000);
	end(&line);
}

static void signal_end(struct line *line)
{
	uint64_t one = 1;

	ASSERT_EQ(write(line->resample, &one, sizeof(one)), sizeof(one));
}

/* Each twice: the first time the line is still up at the end of the interrupt. */
static void end_by_eventfd(struct line *line)
{
	int i;

	ASSERT_EQ(kassign_intx_resample(line->rig.dev, line->resample), 0);
	for (i = 0; i < 200; i++) {
		raise_line(line);
		ASSERT_EQ(arrived(line), 1);
		signal_end(line);
		ASSERT_EQ(arrived(line), 1);
		acknowledge(line);
		signal_end(line);
	}
	ASSERT(silent(line));
}

TEST(an_eventfd_ends_it)
{
	struct line line;

	start(&line);
	end_by_eventfd(&line);
	ASSERT_EQ(kassign_intx_resample(line.rig.dev, -1), 0);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	signal_end(&line);
	ASSERT(silent(&line));
	end(&line);
}

/* It was signalled before anybody listened. */
TEST(an_eventfd_that_is_signalled_already_ends_it)
{
	struct line line;

	start(&line);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	signal_end(&line);
	ASSERT(silent(&line));
	ASSERT_EQ(kassign_intx_resample(line.rig.dev, line.resample), 0);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(a_masked_line_is_silent_and_nothing_is_lost)
{
	struct line line;

	start(&line);
	ASSERT_EQ(kassign_intx_mask(line.rig.dev, true), 0);
	raise_line(&line);
	ASSERT(silent(&line));
	unmask(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(the_guests_command_register_silences_it)
{
	const uint32_t on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct line line;
	int dev;

	start(&line);
	dev = line.rig.dev;
	config_write(dev, PCI_COMMAND, 2, on | PCI_COMMAND_INTX_DISABLE);
	raise_line(&line);
	ASSERT(silent(&line));
	ASSERT(config_read(dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	/* Bus master off and on rewrites the register on the hardware. */
	config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	config_write(dev, PCI_COMMAND, 2, on | PCI_COMMAND_INTX_DISABLE);
	ASSERT(silent(&line));
	config_write(dev, PCI_COMMAND, 2, on);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(it_waits_for_an_eventfd)
{
	int32_t none = -1;
	struct line line;

	start(&line);
	ASSERT_EQ(kassign_irq_eventfds(line.rig.dev, KASSIGN_IRQ_INTX, 0, 1, &none), 0);
	raise_line(&line);
	ASSERT(silent(&line));
	ASSERT_EQ(kassign_irq_eventfds(line.rig.dev, KASSIGN_IRQ_INTX, 0, 1,
				       &line.trigger), 0);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

/* As a guest does that tries MSI: to and fro, an interrupt each time */
TEST(msi_takes_its_place_and_gives_it_back)
{
	struct line line;
	struct rig *rig = &line.rig;
	int i;

	start(&line);
	ASSERT_EQ(kassign_irq_inject(rig->dev, KASSIGN_IRQ_MSI), 0);
	for (i = 1; i <= 20; i++) {
		host_program_msi(rig->dev, VECTOR, true);
		ASSERT_EQ(status(&line).irq_index, KASSIGN_IRQ_MSI);
		raise_line(&line);
		ASSERT(vmm_wait_irqs(&rig->vmm, VECTOR, i));
		acknowledge(&line);
		ASSERT(silent(&line));
		host_program_msi(rig->dev, VECTOR, false);
		ASSERT_EQ(status(&line).irq_index, KASSIGN_IRQ_INTX);
		raise_line(&line);
		ASSERT_EQ(arrived(&line), 1);
		acknowledge(&line);
		unmask(&line);
	}
	ASSERT_EQ(rig->vmm.mbox->irqs[VECTOR], 20);
	ASSERT_EQ(status(&line).irqs, 40);
	end(&line);
}

/* A VMM that takes an access for the end of an interrupt must see the accesses. */
TEST(bars_are_trapped_while_nobody_tells_the_end)
{
	struct line line;
	int dev;

	start(&line);
	dev = line.rig.dev;
	ASSERT_EQ(status(&line).bar_slots, 0);
	ASSERT_EQ(kassign_intx_resample(dev, line.resample), 0);
	ASSERT_EQ(status(&line).bar_slots, 1);
	ASSERT_EQ(kassign_intx_resample(dev, -1), 0);
	ASSERT_EQ(status(&line).bar_slots, 0);
	ASSERT_EQ(kassign_irq_inject(dev, KASSIGN_IRQ_MSI), 0);
	host_program_msi(dev, VECTOR, true);
	ASSERT_EQ(status(&line).bar_slots, 1);
	host_program_msi(dev, VECTOR, false);
	ASSERT_EQ(status(&line).bar_slots, 0);
	ASSERT_EQ(kassign_irq_disable(dev, KASSIGN_IRQ_INTX), 0);
	ASSERT_EQ(status(&line).bar_slots, 1);
	end(&line);
}

TEST(a_reset_leaves_the_line_at_work)
{
	struct line line;

	start(&line);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	ASSERT_EQ(kassign_device_reset(line.rig.dev), 0);
	line.rig.vmm.nr_mmio = 0;
	edu_enable(&line.rig, BAR0_GPA);
	/* The guest ends the interrupt it has had; the reset has put the line down. */
	unmask(&line);
	ASSERT(silent(&line));
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

static bool line_is_in_use(void)
{
	return !system("grep -q 'kassign-" EDU "-intx' /proc/interrupts");
}

static int line_of(const char *bdf)
{
	char path[128];
	int irq = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/irq", bdf);
	f = fopen(path, "r");
	ASSERT(f && fscanf(f, "%d", &irq) == 1);
	fclose(f);
	return irq;
}

/* A second device of the same guest, on the same line of the host */
static void start_twin(struct line *twin, const struct line *line)
{
	*twin = *line;
	twin->trigger = eventfd(0, EFD_NONBLOCK);
	host_bind(EDU_TWIN);
	twin->rig.dev = rig_assign(line->rig.guest, EDU_TWIN);
	ASSERT(twin->rig.dev >= 0);
	edu_enable(&twin->rig, BAR0_GPA + 0x1000000);
	ASSERT_EQ(kassign_irq_eventfds(twin->rig.dev, KASSIGN_IRQ_INTX, 0, 1,
				       &twin->trigger), 0);
	ASSERT_EQ(line_of(EDU), line_of(EDU_TWIN));
}

TEST(devices_that_share_a_line_do_not_hear_each_other)
{
	struct line line, twin;
	int i;

	start(&line);
	start_twin(&twin, &line);
	for (i = 0; i < 100; i++) {
		raise_line(&line);
		ASSERT_EQ(arrived(&line), 1);
		/* Its line is up and masked; the other's comes through. */
		raise_line(&twin);
		ASSERT_EQ(arrived(&twin), 1);
		acknowledge(i % 2 ? &line : &twin);
		acknowledge(i % 2 ? &twin : &line);
		unmask(&line);
		unmask(&twin);
	}
	ASSERT(silent(&line));
	ASSERT(silent(&twin));
	ASSERT_EQ(status(&line).irqs, 100);
	ASSERT_EQ(status(&twin).irqs, 100);
	close(twin.rig.dev);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(a_release_with_the_line_up_leaves_nothing)
{
	struct line line;
	int i;

	for (i = 0; i < 5; i++) {
		start(&line);
		ASSERT_EQ(kassign_intx_resample(line.rig.dev, line.resample), 0);
		raise_line(&line);
		ASSERT_EQ(arrived(&line), 1);
		ASSERT(line_is_in_use());
		rig_end(&line.rig);
		ASSERT(!line_is_in_use());
		/* Nobody listens any more. */
		signal_end(&line);
		close(line.trigger);
		close(line.resample);
	}
}

#define EXCLUSIVE "/sys/module/kassign/parameters/intx_exclusive"

/* As for a device that cannot mask its line itself: the interrupt controller does. */
TEST(a_line_for_itself_cannot_be_shared)
{
	struct line line;
	int other, fd = eventfd(0, EFD_NONBLOCK);

	start(&line);
	host_bind(EDU_TWIN);
	ASSERT_EQ(host_put(EXCLUSIVE, "1"), 0);
	other = rig_assign(line.rig.guest, EDU_TWIN);
	ASSERT_EQ(host_put(EXCLUSIVE, "0"), 0);
	ASSERT(other >= 0);
	ASSERT_EQ(kassign_irq_eventfds(other, KASSIGN_IRQ_INTX, 0, 1, &fd), -EBUSY);
	close(other);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(a_line_for_itself_is_masked_outside)
{
	struct line line;

	ASSERT_EQ(host_put(EXCLUSIVE, "1"), 0);
	start(&line);
	ASSERT_EQ(host_put(EXCLUSIVE, "0"), 0);
	end_by_eventfd(&line);
	ASSERT_EQ(kassign_intx_mask(line.rig.dev, true), 0);
	raise_line(&line);
	ASSERT(silent(&line));
	unmask(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
	/* Masked when it was released; the next one finds it open. */
	start(&line);
	raise_line(&line);
	ASSERT_EQ(arrived(&line), 1);
	end(&line);
}

TEST(eventfds_may_go_first)
{
	struct line line;

	start(&line);
	ASSERT_EQ(kassign_intx_resample(line.rig.dev, line.resample), 0);
	close(line.resample);
	close(line.trigger);
	raise_line(&line);
	usleep(20000);
	ASSERT_EQ(status(&line).irqs, 1);
	unmask(&line);
	acknowledge(&line);
	rig_end(&line.rig);
}

TEST(nonsense_is_refused)
{
	int32_t two[2] = { -1, -1 }, bad = 9999, file = STDIN_FILENO;
	struct line line;
	int dev;

	start(&line);
	dev = line.rig.dev;
	ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 0, 2, two), -EINVAL);
	ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 1, 1, two), -EINVAL);
	ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 0, 1, &bad), -EBADF);
	ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 0, 1, &file), -EINVAL);
	ASSERT_EQ(kassign_intx_resample(dev, bad), -EBADF);
	ASSERT_EQ(kassign_intx_resample(dev, file), -EINVAL);
	/* It would signal itself for ever. */
	ASSERT_EQ(kassign_intx_resample(dev, line.trigger), -EINVAL);
	ASSERT_EQ(kassign_intx_resample(dev, line.resample), 0);
	ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 0, 1,
				       &line.resample), -EINVAL);
	ASSERT_EQ(kassign_irq_loopback(dev, KASSIGN_IRQ_INTX, 1, 1), -EINVAL);
	ASSERT_EQ(kassign_irq_loopback(dev, KASSIGN_IRQ_INTX, 0, 1), 0);
	ASSERT_EQ(arrived(&line), 1);
	ASSERT_EQ(kassign_irq_disable(dev, KASSIGN_IRQ_INTX), 0);
	ASSERT_EQ(kassign_intx_mask(dev, false), -EINVAL);
	ASSERT_EQ(kassign_intx_resample(dev, line.resample), -EINVAL);
	ASSERT_EQ(kassign_irq_loopback(dev, KASSIGN_IRQ_INTX, 0, 1), -EINVAL);
	end(&line);
}
