// SPDX-License-Identifier: GPL-2.0-only
/*
 * For the virtual host only: ways around faults of QEMU's emulation (seen in 11.1.3;
 * target/i386/tcg/system there).
 *
 * CPU 0 is written to by all the others. XRSTOR and FXRSTOR, that is each switch of
 * tasks, call cpu_clear_ignne(), and that clears a bit in hflags2 of the first CPU of
 * all, whichever executes the instruction, without a lock. In the same word are the
 * bits of SVM: is this CPU in nested paging, does it take interrupts, NMIs (GIF). A
 * change that CPU 0 makes to one of them meanwhile is lost. With nested paging left on
 * at #VMEXIT, host code faults as if it was the guest's, and a second #VMEXIT writes the
 * host's registers over the guest's: guests hung or reset, or the host did, without a
 * word. With GIF left off a CPU takes no interrupt any more, nor an NMI. While FXRSTOR
 * runs in a loop on CPU 1, a virtual host whose guest is on CPU 0 lives for seconds. Here
 * a task that enters a guest on CPU 0 is sent away from there for good; nothing else
 * changes those bits.
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
#include <linux/sched.h>
#include <linux/task_work.h>
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

/* One task at a time is moved; another one's turn is at its next entry. */
static struct callback_head moving;
static atomic_t is_moving;

static void leave_cpu0(struct callback_head *head)
{
	static struct cpumask others;

	cpumask_andnot(&others, cpu_possible_mask, cpumask_of(0));
	if (set_cpus_allowed_ptr(current, &others))
		pr_warn_once("nested_svm: a guest stays on CPU 0\n");
	atomic_set(&is_moving, 0);
}

/* KVM runs the work before it enters the guest again. */
static bool sent_away(void)
{
	if (smp_processor_id() || num_online_cpus() == 1 ||
	    atomic_cmpxchg(&is_moving, 0, 1))
		return false;
	init_task_work(&moving, leave_cpu0);
	if (!task_work_add(current, &moving, TWA_RESUME))
		return true;
	atomic_set(&is_moving, 0);
	return false;
}

/* Interrupts are off, and VMRUN is next. */
static void on_entry(void *data, struct kvm_vcpu *vcpu)
{
	if (sent_away() || vcpu->arch.interrupt.injected)
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
