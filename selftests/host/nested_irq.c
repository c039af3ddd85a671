// SPDX-License-Identifier: GPL-2.0-only
/*
 * For the virtual host only: a way around a fault of QEMU's emulated SVM.
 *
 * When VMRUN injects an interrupt (EVENTINJ, type INTR), QEMU leaves its vector in
 * the virtual CPU's exception_index (helper_vmrun() in QEMU's target/i386). When
 * something then kicks that CPU out of its loop before the next #VMEXIT, the
 * vector is delivered once more, as if it was an exception: at any instruction,
 * interrupts enabled or not, with RFLAGS.RF set in the frame. The guest then waits
 * for a lock that it holds itself, or resets. A BAR of the virtual host that is
 * enabled or disabled kicks all its CPUs, and that is what an attach does.
 *
 * Here each entry with an interrupt to inject gets an interrupt of the host's own
 * along. It is pending when VMRUN has done the injection, and #VMEXIT forgets the
 * vector. This costs one exit for each injected interrupt.
 */
#include <linux/irq_work.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/tracepoint.h>

/* KVM exports the tracepoint, but not the header that declares it. */
extern struct tracepoint __tracepoint_kvm_entry;

static void nothing(struct irq_work *work)
{
}

static DEFINE_PER_CPU(struct irq_work, exit_soon) = IRQ_WORK_INIT_HARD(nothing);

/* Interrupts are off, and VMRUN is next. */
static void on_entry(void *data, struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.interrupt.injected)
		irq_work_queue(this_cpu_ptr(&exit_soon));
}

static int __init nested_irq_init(void)
{
	return tracepoint_probe_register(&__tracepoint_kvm_entry, on_entry,
					 NULL);
}

static void __exit nested_irq_exit(void)
{
	tracepoint_probe_unregister(&__tracepoint_kvm_entry, on_entry, NULL);
	tracepoint_synchronize_unregister();
}

module_init(nested_irq_init);
module_exit(nested_irq_exit);
MODULE_DESCRIPTION("Nested interrupts under QEMU's emulation, once each");
MODULE_LICENSE("GPL");
