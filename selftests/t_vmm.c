// SPDX-License-Identifier: GPL-2.0-only
/*
 * The minimal VMM itself, without kassign: what the other tests build on.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap.h"
#include "vmm.h"

TEST(guest_reads_and_writes_its_memory)
{
	struct vmm vmm;
	uint32_t *word;

	vmm_start(&vmm, VMM_ANON);
	word = vmm_ptr(&vmm, 0x200000);
	*word = 0x12345678;
	ASSERT_EQ(vmm_read(&vmm, 0x200000, 1), 0x12345678);
	vmm_write(&vmm, 0x200004, 0xcafe, 1);
	ASSERT_EQ(word[1], 0xcafe);
	vmm_end(&vmm);
}

TEST(memory_above_4g_is_seen)
{
	struct vmm vmm;
	uint32_t *word;

	vmm_start(&vmm, VMM_MEMFD);
	word = vmm_add_slot(&vmm, 5ULL << 30, 4 << 20, 0, VMM_MEMFD);
	word[0] = 77;
	ASSERT_EQ(vmm_read(&vmm, 5ULL << 30, 1), 77);
	vmm_end(&vmm);
}

TEST(mmio_exits_are_counted)
{
	struct vmm vmm;

	vmm_start(&vmm, VMM_ANON);
	ASSERT_EQ(vmm_read(&vmm, 0xe0000000, 10), 0xffffffff);
	ASSERT_EQ(vmm.mmio_exits, 10);
	vmm_end(&vmm);
}

TEST(irqfd_reaches_the_guest)
{
	struct vmm vmm;
	int fd = eventfd(0, 0);
	uint64_t one = 1;

	vmm_start(&vmm, VMM_ANON);
	vmm_irqfd(&vmm, fd, 24, 0xfee00000, 0x41);
	ASSERT_EQ(write(fd, &one, 8), 8);
	ASSERT(vmm_wait_irqs(&vmm, 0x41, 1));
	vmm_end(&vmm);
}
