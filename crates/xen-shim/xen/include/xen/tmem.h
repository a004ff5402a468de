/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen/tmem.h: what the rest of Xen calls of transcendent memory.
 *
 * The border between the glue and the Rust library is in tmem-rs.h.
 */
#ifndef __XEN_TMEM_H__
#define __XEN_TMEM_H__

#include <xen/sched.h>

#include <public/sysctl.h>

#ifdef CONFIG_TMEM

/*
 * Pages that tmem holds for d and that count against d->max_pages like its
 * own memory.  Caller must hold d->page_alloc_lock.
 */
static inline unsigned int tmem_charged_pages(const struct domain *d)
{
    return d->tmem_pages;
}

/*
 * Gives back all that tmem holds for a dying domain.  Returns 0, or -ERESTART
 * when the caller should be preempted and call again.  A domain that never
 * used tmem gets 0 at once.
 */
int tmem_domain_destroy(struct domain *d);

/*
 * Gives back all that tmem holds for a domain that starts anew, whose vCPUs
 * are all down.  Its settings stay.  Returns as tmem_domain_destroy().
 */
int tmem_domain_reset(struct domain *d);

/*
 * An allocation of 2^order pages with these flags, below zone_hi's end, is
 * about to fail.  Evicts a batch of ephemeral pages; returns whether that
 * freed memory, so that the allocation is worth trying again.  *rounds is 0
 * at the first call for an allocation, and bounds their number.
 *
 * Any lock may be held but heap_lock and those that need IRQs off.
 */
bool tmem_make_room(unsigned int zone_hi, unsigned int order,
                    unsigned int memflags, unsigned int *rounds);

/*
 * A claim of so many pages for d has failed for want of memory.  Evicts a
 * batch; returns whether the claim is worth trying again.  No lock is held.
 */
bool tmem_make_room_for_claim(const struct domain *d, unsigned long pages);

/* Pages that eviction would free now.  No lock of Xen is needed. */
unsigned long tmem_freeable_pages(void);

/* The same a moment ago, at the price of a read. */
extern unsigned long tmem_freeable_guess;
static inline unsigned long tmem_freeable_estimate(void)
{
    return read_atomic(&tmem_freeable_guess);
}

/* XEN_SYSCTL_tmem_op, for a caller with the right to it. */
long tmem_sysctl(struct xen_sysctl *op,
                 XEN_GUEST_HANDLE_PARAM(xen_sysctl_t) u_sysctl);

#else /* !CONFIG_TMEM */

static inline unsigned int tmem_charged_pages(const struct domain *d)
{
    return 0;
}

static inline int tmem_domain_destroy(struct domain *d)
{
    return 0;
}

static inline int tmem_domain_reset(struct domain *d)
{
    return 0;
}

static inline bool tmem_make_room(unsigned int zone_hi, unsigned int order,
                                  unsigned int memflags, unsigned int *rounds)
{
    return false;
}

static inline bool tmem_make_room_for_claim(const struct domain *d,
                                            unsigned long pages)
{
    return false;
}

static inline unsigned long tmem_freeable_pages(void)
{
    return 0;
}

static inline unsigned long tmem_freeable_estimate(void)
{
    return 0;
}

#endif /* CONFIG_TMEM */

#endif /* __XEN_TMEM_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
