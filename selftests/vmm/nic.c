// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pci_regs.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nic.h"
#include "tap.h"

#define BAR_SIZE 0x20000

uint32_t nic_read(struct nic *nic, unsigned int reg)
{
	return nic->regs[reg / 4];
}

void nic_write(struct nic *nic, unsigned int reg, uint32_t value)
{
	nic->regs[reg / 4] = value;
}

void nic_start(struct nic *nic, struct rig *rig)
{
	int i;

	memset(nic, 0, sizeof(*nic));
	nic->vmm = &rig->vmm;
	nic->tx = vmm_ptr(nic->vmm, NIC_TX_RING);
	nic->rx = vmm_ptr(nic->vmm, NIC_RX_RING);
	config_write(rig->dev, PCI_BASE_ADDRESS_0, 4, BAR0_GPA);
	config_write(rig->dev, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	nic->regs = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 rig->dev, 0);
	ASSERT(nic->regs != MAP_FAILED);
	nic_write(nic, NIC_CTRL, nic_read(nic, NIC_CTRL) | NIC_CTRL_RST);
	usleep(1000);
	nic_write(nic, NIC_IMC, ~0U);
	nic_write(nic, NIC_IVAR, NIC_IVAR_WB);
	for (i = 0; i < 500 && !(nic_read(nic, NIC_STATUS) & NIC_STATUS_LU); i++)
		usleep(10000);
	ASSERT(nic_read(nic, NIC_STATUS) & NIC_STATUS_LU);
}

void nic_end(struct nic *nic)
{
	munmap((void *)nic->regs, BAR_SIZE);
	nic->regs = NULL;
}

unsigned char *nic_tx_buf(struct nic *nic, unsigned int i)
{
	return vmm_ptr(nic->vmm, NIC_TX_BUFS + i * NIC_BUF);
}

unsigned char *nic_rx_buf(struct nic *nic, unsigned int i)
{
	return vmm_ptr(nic->vmm, NIC_RX_BUFS + i * NIC_BUF);
}

void nic_tx_set(struct nic *nic, unsigned int i, uint64_t addr, unsigned int len)
{
	nic->tx[i] = (struct nic_tx_desc) {
		.addr = addr,
		.len = len,
		.cmd = NIC_TX_EOP | NIC_TX_IFCS | NIC_TX_RS,
	};
}

void nic_rx_set(struct nic *nic, unsigned int i, uint64_t addr)
{
	nic->rx[i] = (struct nic_rx_desc) { .addr = addr };
}

void nic_run(struct nic *nic, const struct nic_ring *tx,
	     const struct nic_ring *rx)
{
	/* Heads may be written only while the unit is off. */
	nic_write(nic, NIC_RCTL, 0);
	nic_write(nic, NIC_TCTL, 0);
	nic_write(nic, NIC_TDBAL, tx->base);
	nic_write(nic, NIC_TDBAH, tx->base >> 32);
	nic_write(nic, NIC_TDLEN, tx->entries * sizeof(*nic->tx));
	nic_write(nic, NIC_TDH, tx->head);
	nic_write(nic, NIC_TDT, tx->head);
	nic_write(nic, NIC_RDBAL, rx->base);
	nic_write(nic, NIC_RDBAH, rx->base >> 32);
	nic_write(nic, NIC_RDLEN, rx->entries * sizeof(*nic->rx));
	nic_write(nic, NIC_RDH, rx->head);
	nic_write(nic, NIC_RDT, rx->tail);
	nic_write(nic, NIC_RCTL, NIC_RCTL_EN | NIC_RCTL_UPE | NIC_RCTL_MPE |
				 NIC_RCTL_LBM | NIC_RCTL_BAM | NIC_RCTL_SECRC |
				 nic->rctl);
	nic_write(nic, NIC_TCTL, NIC_TCTL_EN | NIC_TCTL_PSP);
	nic_write(nic, NIC_TDT, tx->tail);
}

void nic_run_usual(struct nic *nic, unsigned int ntx, unsigned int nrx)
{
	struct nic_ring tx = { NIC_TX_RING, NIC_ENTRIES, 0, ntx };
	struct nic_ring rx = { NIC_RX_RING, NIC_ENTRIES, 0, nrx };

	nic_run(nic, &tx, &rx);
}

bool nic_loops_back(struct nic *nic, unsigned int len)
{
	unsigned char *out = nic_tx_buf(nic, 0), *in = nic_rx_buf(nic, 0);
	unsigned int i;

	for (i = 0; i < len; i++)
		out[i] = 0x80 | random();
	memset(in, 0, NIC_BUF);
	nic_tx_set(nic, 0, NIC_TX_BUFS, len);
	nic_rx_set(nic, 0, NIC_RX_BUFS);
	nic_run_usual(nic, 1, 1);
	for (i = 0; i < 1000 && !(nic->rx[0].status & NIC_DD); i++)
		usleep(100);
	return nic->rx[0].status & NIC_DD && nic->rx[0].len == len &&
	       nic_read(nic, NIC_RDH) == 1 && nic_read(nic, NIC_TDH) == 1 &&
	       !memcmp(in, out, len) && !in[len];
}
