// SPDX-License-Identifier: GPL-2.0-only
/*
 * For the virtual host only: ways around faults of QEMU's emulation (seen in 11.1.3;
 * target/i386/tcg/system there).
 *
 * An interrupt that comes twice. When VMRUN injects an interrupt (EVENTINJ, type
 * INTR), helper_vmrun() leaves its vector in the virtual CPU's exception_index.
 * When something then kicks that CPU out of its loop before the next #VMEXIT, the
 * vector is delivered once more, as if it was an exception: at any instruction,
 * interrupts enabled or not, with RFLAGS.RF set in the frame. The guest then waits
 * for a lock that it holds itself, or resets. A BAR of the virtual host that is
 * enabled or disabled kicks all its CPUs, and that is what an attach does. Here
 * each entry with an interrupt to inject gets an interrupt of the host's own along.
 * It is pending when VMRUN has done the injection, and #VMEXIT forgets the vector.
 * This costs one exit for each injected interrupt.
 *
 * An event that is over. After an exception was delivered inside the guest,
 * do_interrupt_all() clears the valid bit of EVENTINJ only, and the next #VMEXIT
 * copies the rest to EXITINTINFO. KVM looks at the type there without the valid
 * bit (svm_check_emulate_instruction() of 7.2): for an access that it has to
 * emulate it then stops the VM with internal error 3. Here an EXITINTINFO that is
 * not valid becomes 0, as hardware has it.
 *
 * Code that changes under a CPU. The kernel patches its scheduler when the first VM
 * comes and when the last one goes (preempt notifiers are a static key). Once, a CPU
 * met the patch's int3 after the patch was done, and the kernel died of it. Here the
 * key is on from the beginning. So is the one that each ping turns on and off, for the
 * time stamps of packets.
 */
#include <linux/irq_work.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/tracepoint.h>

#include <asm/svm.h>

/* KVM exports the tracepoints, but not the header that declares them. */
extern struct tracepoint __tracepoint_kvm_entry;
extern struct tracepoint __tracepoint_kvm_exit;

/* How kvm_amd's own structure begins, which is in no header either */
struct vcpu_svm {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
};

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

static void on_exit(void *data, struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = container_of(vcpu, struct vcpu_svm, vcpu);

	if (!(svm->vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID))
		svm->vmcb->control.exit_int_info = 0;
}

static int __init nested_svm_init(void)
{
	int err;

	err = tracepoint_probe_register(&__tracepoint_kvm_entry, on_entry, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(&__tracepoint_kvm_exit, on_exit, NULL);
	if (err) {
		tracepoint_probe_unregister(&__tracepoint_kvm_entry, on_entry,
					    NULL);
		return err;
	}
	preempt_notifier_inc();
	net_enable_timestamp();
	return 0;
}

static void __exit nested_svm_exit(void)
{
	net_disable_timestamp();
	preempt_notifier_dec();
	tracepoint_probe_unregister(&__tracepoint_kvm_exit, on_exit, NULL);
	tracepoint_probe_unregister(&__tracepoint_kvm_entry, on_entry, NULL);
	tracepoint_synchronize_unregister();
}

module_init(nested_svm_init);
module_exit(nested_svm_exit);
MODULE_DESCRIPTION("Ways around faults of QEMU's emulation");
MODULE_LICENSE("GPL");
