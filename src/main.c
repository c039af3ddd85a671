// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module init and exit, parameters, the control device.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "kassign.h"

bool kassign_unsafe_interrupts;
module_param_named(allow_unsafe_interrupts, kassign_unsafe_interrupts, bool,
		   0444);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Assign devices although interrupts are not remapped: the guest can then raise any host interrupt (default: no)");

/*
 * What is done for guests in the background. Works wait for others, which must be in
 * a queue behind theirs in this list: were they in the same, as many of the first as
 * may run at once would keep those out that they wait for.
 */
struct workqueue_struct *kassign_wq;		/* following memory, releases */
struct workqueue_struct *kassign_call_wq;	/* in a VMM's address space */
struct workqueue_struct *kassign_map_wq;	/* mapping */

static const struct {
	struct workqueue_struct **wq;
	const char *name;
} queues[] = {
	{ &kassign_wq, KASSIGN_NAME },
	{ &kassign_call_wq, KASSIGN_NAME "-call" },
	{ &kassign_map_wq, KASSIGN_NAME "-map" },
};

static void destroy_queues(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		if (*queues[i].wq)
			destroy_workqueue(*queues[i].wq);
		*queues[i].wq = NULL;
	}
}

/* In sysfs an administrator chooses their processors. */
static int create_queues(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		*queues[i].wq = alloc_workqueue("%s", WQ_UNBOUND | WQ_SYSFS, 0,
						queues[i].name);
		if (!*queues[i].wq) {
			destroy_queues();
			return -ENOMEM;
		}
	}
	return 0;
}

int kassign_fail(struct kassign_reason *reason, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(reason->text, sizeof(reason->text), fmt, args);
	va_end(args);
	return err;
}

static const struct file_operations kassign_control_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= kassign_control_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice kassign_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= KASSIGN_NAME,
	.fops	= &kassign_control_fops,
	.mode	= 0600,
};

static int __init kassign_init(void)
{
	int err;

	err = create_queues();
	if (err)
		return err;
	err = pci_register_driver(&kassign_pci_driver);
	if (err)
		goto err_queues;
	err = kassign_netlink_init();
	if (err)
		goto err_pci;
	err = misc_register(&kassign_misc);
	if (err)
		goto err_netlink;
	kassign_check_init();
	kassign_fault_init();
	return 0;

err_netlink:
	kassign_netlink_exit();
err_pci:
	pci_unregister_driver(&kassign_pci_driver);
err_queues:
	destroy_queues();
	return err;
}

/* Open fds hold the module, so nothing is assigned when this runs. */
static void __exit kassign_exit(void)
{
	misc_deregister(&kassign_misc);
	kassign_check_exit();
	kassign_netlink_exit();
	pci_unregister_driver(&kassign_pci_driver);
	/* Death work and delayed fputs of guests may still be finishing. */
	kassign_guests_wait();
	flush_workqueue(kassign_wq);
	destroy_queues();
}

module_init(kassign_init);
module_exit(kassign_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The kassign developers");
MODULE_DESCRIPTION("Give a PCI device to a KVM guest that is already running");
MODULE_VERSION("0.1");
