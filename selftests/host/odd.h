/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI function with what no device of the emulator has (odd.c).
 */
#ifndef ODD_H
#define ODD_H

#define ODD_VENDOR	0x1234
#define ODD_DEVICE	0x0dd0

/* Capabilities, in the order of their list */
#define ODD_CAP_AF	0x40
#define ODD_CAP_VPD	0x48
#define ODD_CAP_MSI	0x50	/* 64 bits, each vector with a mask */
#define ODD_CAP_VENDOR	0x68
#define ODD_CAP_SATA	0x70	/* one that guests are not to see */
#define ODD_CAP_MSIX	0x78

#define ODD_VECTORS_LOG	4
#define ODD_VECTORS	(1 << ODD_VECTORS_LOG)	/* of MSI, and of MSI-X */

/* BAR 0, memory, registers of 4 bytes and, from ODD_MEMORY on, memory */
#define ODD_BAR0_SIZE	0x1000
#define ODD_REG_ID	0x00	/* ODD_ID */
#define ODD_REG_RAISE	0x04	/* write: that vector's interrupt */
#define ODD_REG_RESETS	0x08	/* function level resets so far */
#define ODD_MEMORY	0x10
#define ODD_ID		0x0dd0c0deU

/* BAR 1, memory, less than a page */
#define ODD_BAR1_SIZE	0x100

/* BAR 2, memory, 64 bits, prefetchable; table and PBA within the second page */
#define ODD_BAR2_SIZE	0x4000
#define ODD_TABLE	0x1800
#define ODD_PBA		0x1f08

/* BAR 4, ports */
#define ODD_BAR4_SIZE	0x20

#endif /* ODD_H */
