/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen/tmem.h: what the rest of Xen calls of transcendent memory.
 *
 * The border between the glue and the Rust library is in tmem-rs.h.
 */
#ifndef __XEN_TMEM_H__
#define __XEN_TMEM_H__

#include <xen/sched.h>

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

#else /* !CONFIG_TMEM */

static inline unsigned int tmem_charged_pages(const struct domain *d)
{
    return 0;
}

static inline int tmem_domain_destroy(struct domain *d)
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
