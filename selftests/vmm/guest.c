// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest program: 64-bit, flat, one processor. Obeys the mailbox and counts
 * interrupts. Started in long mode with all memory mapped one to one.
 */
#include "mbox.h"

#define LAPIC		0xfee00000UL
#define LAPIC_EOI	(*(volatile uint32_t *)(LAPIC + 0xb0))
#define LAPIC_SVR	(*(volatile uint32_t *)(LAPIC + 0xf0))

#define mbox ((struct mbox *)MBOX_GPA)

struct gate {
	uint16_t low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t mid;
	uint32_t high;
	uint32_t zero;
} __attribute__((packed));

static struct gate idt[256];
extern char stubs[];

/* 256 entries of 16 bytes: push the vector, go on in common */
asm(".globl stubs\n"
	".balign 16\n"
	"stubs:\n"
	".set n, 0\n"
	".rept 256\n"
	"	.balign 16\n"
	"	pushq $n\n"
	"	jmp common\n"
	"	.set n, n + 1\n"
	".endr\n"
	"common:\n"
	"	push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
	"	push %r8; push %r9; push %r10; push %r11\n"
	"	mov 72(%rsp), %rdi\n"
	"	call take\n"
	"	pop %r11; pop %r10; pop %r9; pop %r8\n"
	"	pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
	"	add $8, %rsp\n"
	"	iretq\n");

__attribute__((used)) static void take(uint64_t vector)
{
	mbox->irqs[vector & 255]++;
	if (mbox->ack)
		*(volatile uint32_t *)mbox->ack = 1;
	LAPIC_EOI = 0;
}

static uint64_t tsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* False if it does not come. */
static int raise_one(volatile uint32_t *at, volatile uint64_t *irqs)
{
	uint64_t before = *irqs, start = tsc(), spins;

	*at = 1;
	for (spins = 0; *irqs == before && spins < 100000000; spins++)
		asm volatile("pause");
	mbox->cycles += tsc() - start;
	return *irqs != before;
}

static uint64_t raise_all(volatile uint32_t *at, uint8_t vector, uint64_t n)
{
	uint64_t i;

	mbox->cycles = 0;
	for (i = 0; i < n && raise_one(at, &mbox->irqs[vector]); i++)
		;
	return i;
}

static void set_idt(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };
	int i;

	for (i = 32; i < 256; i++) {
		uint64_t fn = (uint64_t)stubs + i * 16;

		idt[i].low = fn;
		idt[i].selector = 8;
		idt[i].type = 0x8e;
		idt[i].mid = fn >> 16;
		idt[i].high = fn >> 32;
	}
	asm volatile("lidt %0" : : "m"(idtr));
}

static void obey(void)
{
	volatile uint32_t *at = (volatile uint32_t *)mbox->addr;
	uint64_t i, n = mbox->count ? mbox->count : 1;

	switch (mbox->command) {
	case MBOX_READ:
		for (i = 0; i < n; i++)
			mbox->value = *at;
		break;
	case MBOX_WRITE:
		for (i = 0; i < n; i++)
			*at = mbox->value;
		break;
	case MBOX_RAISE:
		mbox->value = raise_all(at, mbox->value, n);
		break;
	}
	mbox->command = MBOX_NONE;
}

__attribute__((section(".text.start"), noreturn)) void _start(void)
{
	set_idt();
	LAPIC_SVR = 0x1ff;
	asm volatile("sti");
	for (;;) {
		if (mbox->command)
			obey();
		asm volatile("pause");
	}
}
