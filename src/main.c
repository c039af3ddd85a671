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

struct workqueue_struct *kassign_wq;

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

	kassign_wq = alloc_workqueue(KASSIGN_NAME, WQ_UNBOUND, 0);
	if (!kassign_wq)
		return -ENOMEM;
	err = pci_register_driver(&kassign_pci_driver);
	if (err)
		goto err_wq;
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
err_wq:
	destroy_workqueue(kassign_wq);
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
	flush_workqueue(kassign_wq);
	destroy_workqueue(kassign_wq);
}

module_init(kassign_init);
module_exit(kassign_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The kassign developers");
MODULE_DESCRIPTION("Give a PCI device to a KVM guest that is already running");
MODULE_VERSION("0.1");
