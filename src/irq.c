// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host side of interrupts: vectors, handlers, and which of the two ways
 * into the guest they take.
 *
 * eventfd: the hard handler signals an eventfd, which the VMM has made a KVM
 * irqfd. inject: the module follows the guest's own MSI or MSI-X registers, and
 * the handler's thread injects (inject.c).
 *
 * All functions run under dev->lock. The handlers do not take it: they only
 * look at their own vector, which lives until free_irq() has waited for them.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "kassign.h"

static bool is_event(u32 index)
{
	return index == KASSIGN_IRQ_ERR || index == KASSIGN_IRQ_REQ;
}

void kassign_irq_init(struct kassign_device *dev)
{
	kassign_events_init(dev);
	dev->irqs.index = -1;
	spin_lock_init(&dev->msix.lock);
	spin_lock_init(&dev->intx.lock);
}

/**
 * kassign_irq_count - how many vectors of a kind the device has
 * @dev:   the device
 * @index: KASSIGN_IRQ_*
 */
unsigned int kassign_irq_count(struct kassign_device *dev, u32 index)
{
	int nr = 0;

	if (index == KASSIGN_IRQ_INTX)
		nr = dev->intx.line ? 1 : 0;
	else if (index == KASSIGN_IRQ_MSI)
		nr = pci_msi_vec_count(dev->pdev);
	else if (index == KASSIGN_IRQ_MSIX)
		nr = dev->msix.nr;
	else if (is_event(index))
		nr = 1;
	return max(nr, 0);
}

/* ---- what the guest has in its registers ---- */

static bool enabled_by_guest(struct kassign_device *dev, u32 index)
{
	struct kassign_config *cfg = &dev->config;

	if (index == KASSIGN_IRQ_MSIX)
		return cfg->msix &&
		       kassign_config_get16(dev, cfg->msix + PCI_MSIX_FLAGS) &
		       PCI_MSIX_FLAGS_ENABLE;
	return cfg->msi && kassign_config_get16(dev, cfg->msi + PCI_MSI_FLAGS) &
	       PCI_MSI_FLAGS_ENABLE;
}

/* Vectors the guest has enabled */
static unsigned int guest_vectors(struct kassign_device *dev, u32 index)
{
	u16 flags;

	if (index == KASSIGN_IRQ_MSIX)
		return dev->msix.nr;
	flags = kassign_config_get16(dev, dev->config.msi + PCI_MSI_FLAGS);
	return min_t(unsigned int, 1 << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4),
		     kassign_irq_count(dev, index));
}

/* ---- handlers ---- */

/* By its bit in MSI's mask: the masks of MSI-X are the VMM's, or inject.c's. */
static bool is_masked(const struct kassign_vector *vec)
{
	const struct kassign_irqs *irqs = &vec->dev->irqs;

	return irqs->index == KASSIGN_IRQ_MSI && vec == irqs->vec + vec->index &&
	       READ_ONCE(irqs->msi_mask) & BIT(vec->index);
}

/**
 * kassign_vector_held - has the guest masked the vector?
 * @vec: just raised; any context
 *
 * If so it waits until it is opened: whoever opens it looks for waiting ones after the
 * mask has changed, and here the mask is looked at once more after it has begun to wait.
 */
bool kassign_vector_held(struct kassign_vector *vec)
{
	if (!is_masked(vec))
		return false;
	atomic_set(&vec->pending, 1);
	smp_mb();	/* against open_vectors() */
	return is_masked(vec) || !atomic_xchg(&vec->pending, 0);
}

/**
 * kassign_vector_signal - deliver to the eventfd, or note that it waits for one
 * @vec: the vector; any context
 */
void kassign_vector_signal(struct kassign_vector *vec)
{
	struct eventfd_ctx *ctx;

	rcu_read_lock();
	ctx = rcu_dereference(vec->trigger);
	if (ctx) {
		vec->count++;
		kassign_eventfd_signal(ctx);
	} else {
		atomic_set(&vec->pending, 1);
	}
	rcu_read_unlock();
}

/* The old one may be in use until synchronize_rcu(). */
static struct eventfd_ctx *swap_trigger(struct kassign_vector *vec,
					struct eventfd_ctx *ctx)
{
	return rcu_replace_pointer(vec->trigger, ctx,
				   lockdep_is_held(&vec->dev->lock));
}

/* After synchronize_rcu(): who found nowhere to deliver to has said so. */
static void deliver_pending(struct kassign_vector *vec)
{
	if (rcu_access_pointer(vec->trigger) && atomic_xchg(&vec->pending, 0) &&
	    !kassign_vector_held(vec))
		kassign_vector_signal(vec);
}

/**
 * kassign_vector_redirect - deliver to another eventfd from now on
 * @vec: the vector; dev->lock held
 * @ctx: the new one, or NULL; takes over the reference
 *
 * No interrupt is lost. Returns the old one, not used any more.
 */
struct eventfd_ctx *kassign_vector_redirect(struct kassign_vector *vec,
					    struct eventfd_ctx *ctx)
{
	struct eventfd_ctx *old = swap_trigger(vec, ctx);

	synchronize_rcu();
	deliver_pending(vec);
	return old;
}

static irqreturn_t irq_hard(int irq, void *data)
{
	struct kassign_vector *vec = data;

	if (vec->dev->irqs.injecting)
		return IRQ_WAKE_THREAD;
	if (!kassign_vector_held(vec))
		kassign_vector_signal(vec);
	return IRQ_HANDLED;
}

static irqreturn_t irq_thread(int irq, void *data)
{
	kassign_inject(data);
	return IRQ_HANDLED;
}

/* As if the device had raised it */
static void vector_raise(struct kassign_vector *vec)
{
	if (vec->dev->irqs.injecting)
		irq_wake_thread(vec->irq, vec);
	else if (!kassign_vector_held(vec))
		kassign_vector_signal(vec);
}

/* ---- vectors ---- */

static void vectors_free(struct kassign_device *dev)
{
	struct kassign_irqs *irqs = &dev->irqs;
	unsigned int i;

	for (i = 0; i < irqs->nr; i++) {
		struct kassign_vector *vec = &irqs->vec[i];
		struct eventfd_ctx *ctx;

		kassign_bypass_unregister(&vec->producer);
		if (vec->irq)
			free_irq(vec->irq, vec);
		ctx = rcu_replace_pointer(vec->trigger, NULL, true);
		if (ctx)
			eventfd_ctx_put(ctx);
		irqs->irqs += vec->count;
		irqs->failed += vec->failed;
	}
	pci_free_irq_vectors(dev->pdev);
	kfree(irqs->vec);
	irqs->vec = NULL;
	irqs->nr = 0;
	irqs->index = -1;
	kassign_intx_sync(dev);
}

static int vector_request(struct kassign_device *dev, unsigned int i, int irq)
{
	struct kassign_vector *vec = &dev->irqs.vec[i];
	int err;

	snprintf(vec->name, sizeof(vec->name), "kassign-%s-%u",
		 pci_name(dev->pdev), i);
	err = request_threaded_irq(irq, irq_hard, irq_thread, 0, vec->name, vec);
	if (!err)
		vec->irq = irq;
	return err;
}

/*
 * A vector that somebody wants now. The host has few of them, and devices with thousands
 * whose drivers use a handful: where the kernel can, they come one by one.
 */
static int vector_need(struct kassign_device *dev, unsigned int i)
{
	int irq, err;

	if (dev->irqs.vec[i].irq)
		return 0;
	irq = kassign_msix_add(dev->pdev, i);
	if (irq < 0)
		return irq;
	err = vector_request(dev, i, irq);
	if (err)
		kassign_msix_remove(dev->pdev, i, irq);
	return err;
}

static int vectors_alloc(struct kassign_device *dev, u32 index, unsigned int nr)
{
	struct kassign_irqs *irqs = &dev->irqs;
	bool msix = index == KASSIGN_IRQ_MSIX;
	unsigned int first = nr, i;
	int err;

	if (msix && kassign_msix_grows(dev->pdev))
		first = 1;
	irqs->vec = kcalloc(nr, sizeof(*irqs->vec), GFP_KERNEL_ACCOUNT);
	if (!irqs->vec)
		return -ENOMEM;
	err = pci_alloc_irq_vectors(dev->pdev, first, first,
				    msix ? PCI_IRQ_MSIX : PCI_IRQ_MSI);
	if (err < 0) {
		kfree(irqs->vec);
		irqs->vec = NULL;
		return err;
	}
	irqs->index = index;
	irqs->nr = nr;
	for (i = 0; i < nr; i++) {
		irqs->vec[i].dev = dev;
		irqs->vec[i].index = i;
	}
	for (i = 0; i < first; i++) {
		err = vector_request(dev, i, pci_irq_vector(dev->pdev, i));
		if (err) {
			vectors_free(dev);
			return err;
		}
	}
	kassign_intx_sync(dev);
	return 0;
}

/**
 * kassign_irq_off - tear down whatever of MSI and MSI-X is enabled
 * @dev: the device
 *
 * Wishes (dev->irqs.inject) stay: the module goes on following the guest.
 */
void kassign_irq_off(struct kassign_device *dev)
{
	struct kassign_irqs *irqs = &dev->irqs;

	if (irqs->index < 0)
		return;
	vectors_free(dev);
	irqs->injecting = false;
	kassign_scratch_unmap(dev->guest, &irqs->scratch);
}

/* ---- delivery by eventfd ---- */

static int get_triggers(struct eventfd_ctx **ctx, u32 count, const s32 *fds)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (fds[i] == -1)
			continue;
		ctx[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(ctx[i])) {
			int err = PTR_ERR(ctx[i]);

			ctx[i] = NULL;
			return err;
		}
	}
	return 0;
}

static void put_triggers(struct eventfd_ctx **ctx, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (ctx[i])
			eventfd_ctx_put(ctx[i]);
}

/*
 * If KVM knows the eventfd, now or later, and the hardware can post interrupts, they
 * come without us, hence not while the guest has the vector masked. That it cannot be
 * offered (two vectors with one eventfd) is no error.
 */
static void offer_bypass(struct kassign_vector *vec, struct eventfd_ctx *ctx)
{
	if (ctx && !is_masked(vec) &&
	    kassign_bypass_register(&vec->producer, ctx, vec->irq))
		pci_dbg(vec->dev->pdev, "vector %u is not offered for posting\n",
			vec->index);
}

/* Swaps the new ones in; @ctx then holds the old ones. No interrupt is lost. */
static void swap_triggers(struct kassign_device *dev, u32 start, u32 count,
			  struct eventfd_ctx **ctx)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct kassign_vector *vec = &dev->irqs.vec[start + i];
		struct eventfd_ctx *new = ctx[i];

		kassign_bypass_unregister(&vec->producer);
		ctx[i] = swap_trigger(vec, new);
		offer_bypass(vec, new);
	}
	synchronize_rcu();
	for (i = 0; i < count; i++)
		deliver_pending(&dev->irqs.vec[start + i]);
}

/*
 * MSI vectors cannot be added later, and a VMM may bring the eventfds of a guest's in
 * several calls: so at least what the guest has enabled.
 */
static unsigned int vectors_to_enable(struct kassign_device *dev, u32 index, u32 last)
{
	unsigned int nr = roundup_pow_of_two(last);

	if (index == KASSIGN_IRQ_MSIX)
		return dev->msix.nr;
	return enabled_by_guest(dev, index) ? max(nr, guest_vectors(dev, index)) : nr;
}

static int eventfds_enable(struct kassign_device *dev, u32 index, u32 start,
			   u32 count, struct eventfd_ctx **ctx)
{
	bool first = dev->irqs.index < 0;
	int err = 0;
	u32 i;

	if (first)
		err = vectors_alloc(dev, index,
				    vectors_to_enable(dev, index, start + count));
	for (i = 0; i < count && !err; i++)
		if (ctx[i])
			err = vector_need(dev, start + i);
	if (err && first)
		kassign_irq_off(dev);
	return err;
}

/**
 * kassign_irq_set_eventfds - deliver vectors to eventfds
 * @dev:   the device
 * @index: KASSIGN_IRQ_*
 * @start: first vector
 * @count: vectors, 1 or more
 * @fds:   eventfds, -1 for none
 */
int kassign_irq_set_eventfds(struct kassign_device *dev, u32 index, u32 start,
			     u32 count, const s32 *fds)
{
	struct kassign_irqs *irqs = &dev->irqs;
	u32 total = kassign_irq_count(dev, index);
	struct eventfd_ctx **ctx;
	int err;

	if (!count || start >= total || count > total - start)
		return -EINVAL;
	if (index == KASSIGN_IRQ_INTX)
		return kassign_intx_set(dev, fds[0]);
	if (is_event(index))
		return kassign_event_set(dev, index, fds[0]);
	if (irqs->inject & BIT(index) || irqs->injecting ||
	    (irqs->index >= 0 && irqs->index != (int)index))
		return -EBUSY;
	if (irqs->index >= 0 && start + count > irqs->nr)
		return -ENOSPC;
	ctx = kcalloc(count, sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	err = get_triggers(ctx, count, fds);
	if (!err)
		err = eventfds_enable(dev, index, start, count, ctx);
	if (!err)
		swap_triggers(dev, start, count, ctx);
	put_triggers(ctx, count);
	kfree(ctx);
	return err;
}

/* ---- delivery by injection ---- */

static bool wants_injection(struct kassign_device *dev, u32 index)
{
	return dev->irqs.inject & BIT(index) && enabled_by_guest(dev, index);
}

static void msi_message(struct kassign_device *dev)
{
	unsigned int pos = dev->config.msi;
	struct kassign_msg msg = { };

	if (!pos)
		return;
	msg.addr_lo = kassign_config_get32(dev, pos + PCI_MSI_ADDRESS_LO);
	if (kassign_config_get16(dev, pos + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT) {
		msg.addr_hi = kassign_config_get32(dev, pos + PCI_MSI_ADDRESS_HI);
		msg.data = kassign_config_get16(dev, pos + PCI_MSI_DATA_64);
	} else {
		msg.data = kassign_config_get16(dev, pos + PCI_MSI_DATA_32);
	}
	spin_lock_irq(&dev->msix.lock);
	dev->irqs.msi = msg;
	spin_unlock_irq(&dev->msix.lock);
}

/* Those that were raised while they were masked come now. */
static void open_vectors(struct kassign_device *dev)
{
	struct kassign_irqs *irqs = &dev->irqs;
	unsigned int i;

	smp_mb();	/* against kassign_vector_held() */
	for (i = 0; irqs->index == KASSIGN_IRQ_MSI && i < irqs->nr; i++)
		if (!(irqs->msi_mask & BIT(i)) &&
		    atomic_xchg(&irqs->vec[i].pending, 0))
			vector_raise(&irqs->vec[i]);
}

/* Hardware that delivers past us knows nothing of the mask. */
static void masked_bypass(struct kassign_device *dev, u32 changed)
{
	struct kassign_irqs *irqs = &dev->irqs;
	unsigned int i;

	if (irqs->index != KASSIGN_IRQ_MSI || irqs->injecting)
		return;
	for (i = 0; i < irqs->nr; i++) {
		if (!(changed & BIT(i)))
			continue;
		kassign_bypass_unregister(&irqs->vec[i].producer);
		offer_bypass(&irqs->vec[i],
			     rcu_dereference_protected(irqs->vec[i].trigger,
						       lockdep_is_held(&dev->lock)));
	}
}

static void msi_masks(struct kassign_device *dev)
{
	unsigned int pos = dev->config.msi_mask;
	u32 mask = pos ? kassign_config_get32(dev, pos) : 0;
	u32 changed = mask ^ dev->irqs.msi_mask;

	if (!changed)
		return;
	WRITE_ONCE(dev->irqs.msi_mask, mask);
	masked_bypass(dev, changed);
	open_vectors(dev);
}

/**
 * kassign_irq_msi_pending - MSI vectors that wait, a bit each
 * @dev: the device; dev->lock held
 */
u32 kassign_irq_msi_pending(struct kassign_device *dev)
{
	struct kassign_irqs *irqs = &dev->irqs;
	u32 pending = 0;
	unsigned int i;

	for (i = 0; irqs->index == KASSIGN_IRQ_MSI && i < irqs->nr; i++)
		if (irqs->msi_mask & BIT(i) && atomic_read(&irqs->vec[i].pending))
			pending |= BIT(i);
	return pending;
}

/**
 * kassign_irq_opened - the guest may have unmasked an MSI-X entry
 * @dev:   the device; dev->lock held
 * @entry: which
 *
 * What came while it was masked is delivered.
 */
void kassign_irq_opened(struct kassign_device *dev, unsigned int entry)
{
	struct kassign_irqs *irqs = &dev->irqs;
	int err;

	if (irqs->index != KASSIGN_IRQ_MSIX || !irqs->injecting ||
	    entry >= irqs->nr || !kassign_msix_open(dev, entry))
		return;
	err = vector_need(dev, entry);
	if (err)
		dev_warn_ratelimited(&dev->pdev->dev,
				     "the host has no interrupt for vector %u (errno %d)\n",
				     entry, -err);
	else
		kassign_inject_kick(dev, entry);
}

static void inject_enable(struct kassign_device *dev, u32 index)
{
	unsigned int nr = guest_vectors(dev, index), i;
	int err;

	err = kassign_inject_prepare(dev, nr);
	if (!err) {
		dev->irqs.injecting = true;
		err = vectors_alloc(dev, index, nr);
	}
	for (i = 0; i < nr && !err; i++)
		kassign_irq_opened(dev, i);
	if (!err)
		return;
	dev->irqs.injecting = false;
	kassign_scratch_unmap(dev->guest, &dev->irqs.scratch);
	dev_warn_ratelimited(&dev->pdev->dev,
			     "the guest enabled %u interrupt vectors, the host cannot (errno %d)\n",
			     nr, -err);
}

static void msix_mask_all(struct kassign_device *dev)
{
	unsigned int pos = dev->config.msix;

	if (pos)
		kassign_msix_set_mask_all(dev,
					  kassign_config_get16(dev, pos + PCI_MSIX_FLAGS) &
					  PCI_MSIX_FLAGS_MASKALL);
}

/**
 * kassign_irq_follow - act on what the guest wrote to its MSI or MSI-X registers
 * @dev: the device
 */
void kassign_irq_follow(struct kassign_device *dev)
{
	struct kassign_irqs *irqs = &dev->irqs;
	int want = -1;

	msi_message(dev);
	msi_masks(dev);
	msix_mask_all(dev);
	if (irqs->index >= 0 && !irqs->injecting)
		return;
	if (wants_injection(dev, KASSIGN_IRQ_MSIX))
		want = KASSIGN_IRQ_MSIX;
	else if (wants_injection(dev, KASSIGN_IRQ_MSI))
		want = KASSIGN_IRQ_MSI;
	if (want == irqs->index &&
	    (want < 0 || guest_vectors(dev, want) == irqs->nr))
		return;
	kassign_irq_off(dev);
	if (want >= 0)
		inject_enable(dev, want);
}

int kassign_irq_inject_on(struct kassign_device *dev, u32 index)
{
	int err;

	if (index == KASSIGN_IRQ_INTX || is_event(index) ||
	    !kassign_irq_count(dev, index))
		return -EINVAL;
	if (dev->irqs.index == (int)index && !dev->irqs.injecting)
		return -EBUSY;
	err = kassign_inject_possible(dev->guest);
	if (err)
		return err;
	dev->irqs.inject |= BIT(index);
	kassign_irq_follow(dev);
	return 0;
}

void kassign_irq_disable(struct kassign_device *dev, u32 index)
{
	if (index == KASSIGN_IRQ_INTX) {
		kassign_intx_off(dev);
		kassign_bars_update(dev);
	}
	if (is_event(index))
		kassign_event_off(dev, index);
	dev->irqs.inject &= ~BIT(index);
	if (dev->irqs.index == (int)index)
		kassign_irq_off(dev);
}

/* As if the device had raised them */
int kassign_irq_loopback(struct kassign_device *dev, u32 index, u32 start,
			 u32 count)
{
	struct kassign_irqs *irqs = &dev->irqs;
	u32 i;

	if (index == KASSIGN_IRQ_INTX)
		return kassign_intx_loopback(dev, start, count);
	if (is_event(index))
		return kassign_event_loopback(dev, index, start, count);
	if (irqs->index != (int)index || !count || start >= irqs->nr ||
	    count > irqs->nr - start)
		return -EINVAL;
	for (i = start; i < start + count; i++) {
		if (!irqs->vec[i].irq)
			return -EINVAL;
		vector_raise(&irqs->vec[i]);
	}
	return 0;
}

void kassign_irq_totals(struct kassign_device *dev, u64 *irqs, u64 *failed)
{
	unsigned int i;

	*irqs = dev->irqs.irqs + READ_ONCE(dev->intx.vec.count);
	*failed = dev->irqs.failed;
	for (i = 0; i < dev->irqs.nr; i++) {
		*irqs += READ_ONCE(dev->irqs.vec[i].count);
		*failed += READ_ONCE(dev->irqs.vec[i].failed);
	}
}

/**
 * kassign_irq_enabled - which kind is in use at the moment
 * @dev:     the device
 * @index:   out: KASSIGN_IRQ_*, ~0 for none
 * @vectors: out: how many
 */
void kassign_irq_enabled(struct kassign_device *dev, u32 *index, u32 *vectors)
{
	bool line = dev->irqs.index < 0 && dev->intx.irq;

	*index = line ? KASSIGN_IRQ_INTX : (u32)dev->irqs.index;
	*vectors = line ? 1 : dev->irqs.nr;
}
