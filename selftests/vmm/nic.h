/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for the e1000e (82574L) in MAC loopback: a frame sent is received
 * again at once, so one doorbell makes the device read and write memory at any
 * address. Registers and descriptors from Intel's 82574 datasheet.
 */
#ifndef NIC_H
#define NIC_H

#include "host.h"

#define NIC		"0000:02:00.0"

#define NIC_CTRL	0x0000
#define NIC_STATUS	0x0008
#define NIC_IMC		0x00d8
#define NIC_IVAR	0x00e4
#define NIC_RCTL	0x0100
#define NIC_TCTL	0x0400
#define NIC_RDBAL	0x2800
#define NIC_RDBAH	0x2804
#define NIC_RDLEN	0x2808
#define NIC_RDH		0x2810
#define NIC_RDT		0x2818
#define NIC_TDBAL	0x3800
#define NIC_TDBAH	0x3804
#define NIC_TDLEN	0x3808
#define NIC_TDH		0x3810
#define NIC_TDT		0x3818

#define NIC_CTRL_RST	(1U << 26)
#define NIC_STATUS_LU	(1U << 1)
#define NIC_IVAR_WB	(1U << 31)	/* write every TX descriptor back */
#define NIC_RCTL_EN	(1U << 1)
#define NIC_RCTL_UPE	(1U << 3)
#define NIC_RCTL_MPE	(1U << 4)
#define NIC_RCTL_LBM	(1U << 6)	/* MAC loopback */
#define NIC_RCTL_BAM	(1U << 15)
#define NIC_RCTL_256	(3U << 16)	/* RX buffers of 256 bytes, not 2048 */
#define NIC_RCTL_SECRC	(1U << 26)
#define NIC_TCTL_EN	(1U << 1)
#define NIC_TCTL_PSP	(1U << 3)

#define NIC_TX_EOP	(1U << 0)
#define NIC_TX_IFCS	(1U << 1)
#define NIC_TX_RS	(1U << 3)
#define NIC_DD		(1U << 0)	/* in the status of both */

struct nic_tx_desc {
	uint64_t addr;
	uint16_t len;
	uint8_t cso;
	uint8_t cmd;
	uint8_t status;
	uint8_t css;
	uint16_t special;
};

struct nic_rx_desc {
	uint64_t addr;
	uint16_t len;
	uint16_t csum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

/* Where in guest memory the driver has its things; all else is not its own. */
#define NIC_ENTRIES	64
#define NIC_BUF		2048
#define NIC_TX_RING	0x200000ULL
#define NIC_RX_RING	0x201000ULL
#define NIC_TX_BUFS	0x210000ULL	/* NIC_ENTRIES of NIC_BUF bytes each */
#define NIC_RX_BUFS	0x240000ULL
#define NIC_OWN_START	0x200000ULL
#define NIC_OWN_END	0x280000ULL
#define NIC_MIN_FRAME	60
#define NIC_MAX_FRAME	1514

struct nic_ring {
	uint64_t base;
	uint32_t entries;	/* a multiple of 8 */
	uint32_t head;
	uint32_t tail;
};

struct nic {
	struct vmm *vmm;
	volatile uint32_t *regs;	/* BAR 0, mapped */
	struct nic_tx_desc *tx;		/* the rings at their usual places */
	struct nic_rx_desc *rx;
	uint32_t rctl;			/* more bits for RCTL */
};

/* Memory decoding and bus master on, the device reset, BAR 0 at BAR0_GPA */
void nic_start(struct nic *nic, struct rig *rig);
/* The mapping of the BAR keeps the device fd open: before it is closed. */
void nic_end(struct nic *nic);
uint32_t nic_read(struct nic *nic, unsigned int reg);
void nic_write(struct nic *nic, unsigned int reg, uint32_t value);

unsigned char *nic_tx_buf(struct nic *nic, unsigned int i);
unsigned char *nic_rx_buf(struct nic *nic, unsigned int i);
/* Entry @i of a ring in its usual place */
void nic_tx_set(struct nic *nic, unsigned int i, uint64_t addr, unsigned int len);
void nic_rx_set(struct nic *nic, unsigned int i, uint64_t addr);
/*
 * Sets both rings, all is quiet; then sends up to TX's tail. The tails here are
 * those after sending.
 */
void nic_run(struct nic *nic, const struct nic_ring *tx,
	     const struct nic_ring *rx);
/* As nic_run(), of @ntx and @nrx entries from the start of the usual rings */
void nic_run_usual(struct nic *nic, unsigned int ntx, unsigned int nrx);
/* One frame sent, received and compared, in guest memory only */
bool nic_loops_back(struct nic *nic, unsigned int len);

#endif /* NIC_H */
